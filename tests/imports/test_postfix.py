"""Settings of Postfix by hand: what each comes to, what is told of the rest, and that garbage does no harm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.imports.document import document
from arrowslit.imports.imported import Imported, ImportFailedError, Origin, Source
from arrowslit.imports.patterns import Shape, shapes
from arrowslit.imports.postfix.reader import POSTFIX
from arrowslit.imports.postfix.text import Files, Setting, read_files, shape
from arrowslit.imports.postfix.values import Values
from arrowslit.imports.register import recognised
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.imports.loading import policy_from, site_of
from tests.targets.truth import TODAY

OLD = """\
root@mx:~# postconf -n
mydestination = mx.example.org, localhost
myhostname = mx.example.org
mynetworks = 127.0.0.0/8 [::1]/128 192.168.0.0/24
relay_domains = example.org
smtpd_recipient_restrictions = permit_mynetworks,   reject_unauth_destination,  check_client_access cidr:/etc/postfix/filter,   reject
"""
NEW = OLD.replace("root@mx:~# postconf -n\n", "compatibility_level = 3.6\n")
MASTER = """\
smtp       inet  n       -       y       -       -       smtpd
submission inet  n       -       y       -       -       smtpd
    -o syslog_name=postfix/submission
    -o smtpd_tls_security_level=encrypt
    -o smtpd_sasl_auth_enable=yes
    -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }
127.0.0.1:10025 inet n - n - - smtpd
smtp       unix  -       -       y       -       -       smtp
"""
FILTER = "# the filtering service\r\n198.51.100.0/24  OK\r\n2001:db8:25::/48  OK\r\n"


def read(*files: tuple[str, str]) -> Imported:
    return POSTFIX.read([Source(name, text) for name, text in files])


def read_main(text: str, *tables: tuple[str, str]) -> Imported:
    return read(("main.cf", text), ("master.cf", MASTER.partition("submission")[0]), *tables)


def permits(policy: Policy, address: str, to: str, server: str = "default", **facts: object) -> bool:
    asked = Expectation("", address, Action.PERMIT, server, mail_from="x@sender.test", to=to, **facts)  # type: ignore[arg-type]
    return explain(policy, facts_of(asked, TODAY)).decision.permitted


def told(found: Imported) -> str:
    return document(found, "x").partition("version = 1")[0]


def test_a_filter_in_front_and_users_beside_it() -> None:
    found = read(("postconf-n.txt", OLD), ("postconf-M.txt", MASTER), ("/etc/postfix/filter", FILTER))
    policy = policy_from(found)
    assert sorted(policy.accepted_domains) == ["*.example.org", "example.org", "localhost", "mx.example.org"]
    assert policy.accepted_domains["example.org"].kind == "internal_relay"
    assert policy.accepted_domains["localhost"].kind == "authoritative"
    default = policy.virtual_servers["default"]
    assert [one.value for one in default.connection_control.only_listed] == [
        "127.0.0.0/8", "::1", "192.168.0.0/24", "198.51.100.0/24", "2001:db8:25::/48",
    ]  # fmt: skip
    assert [one.value for one in default.relay_restrictions.only_listed] == ["127.0.0.0/8", "::1", "192.168.0.0/24"]
    assert default.authentication is None
    submission = policy.virtual_servers["submission"]
    assert submission.require_tls
    assert submission.authentication is not None
    assert submission.authentication.required
    assert submission.connection_control.mode == "all_except_listed"
    text = document(found, "x")
    assert '{ group = "198.51.100.0/24" },  # /etc/postfix/filter:2\n' in text
    assert '{ group = "192.168.0.0/24" },  # postconf-n.txt:4 mynetworks\n' in text
    assert "[virtual_servers.submission]  # postconf-M.txt:2 submission\n" in text
    assert "127.0.0.1:10025: 127.0.0.1:10025\n#     only the machine itself gets there" in text
    assert permits(policy, "203.0.113.9", "a@elsewhere.test", "submission", authenticated_as="anna")
    assert not permits(policy, "203.0.113.9", "a@elsewhere.test", "submission", tls=True)


def test_the_list_of_relaying_is_older_than_some_settings() -> None:
    """Before 2.10 a table in the other list could open the relay: it is read as if both held."""
    text = "mynetworks = 192.168.0.0/24\nrelay_domains = example.org\nmydestination =\n"
    text += "smtpd_recipient_restrictions = permit_mynetworks, check_client_access cidr:/partner, reject_unauth_destination\n"
    found = read_main(text, ("partner", "198.51.100.7 OK\n"))
    policy = policy_from(found)
    assert not permits(policy, "198.51.100.7", "a@elsewhere.test")
    assert permits(policy, "192.168.0.9", "a@elsewhere.test")
    assert "before Postfix 2.10 there was no such list" in told(found)
    policy = policy_from(read_main(text + "smtpd_relay_restrictions =\n", ("partner", "198.51.100.7 OK\n")))
    assert permits(policy, "198.51.100.7", "a@elsewhere.test")


def test_no_list_keeps_strangers_from_relaying() -> None:
    text = "mynetworks = 192.168.0.0/24\nmydestination = example.org\n"
    text += "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks\n"
    found = read_main(text)
    assert not permits(policy_from(found), "203.0.113.9", "a@elsewhere.test")
    assert "Postfix does not start so" in told(found)


@pytest.mark.parametrize(
    ("restriction", "says", "wider"),
    [
        ("reject_rbl_client zen.test", "main.cf:5 smtpd_client_restrictions: reject_rbl_client zen.test", True),
        ("check_policy_service inet:127.0.0.1:10023", "check_policy_service inet:127.0.0.1:10023", True),
        ("check_client_access hash:/etc/postfix/lost", "check_client_access hash:/etc/postfix/lost", True),
        ("check_client_access ldap:/etc/postfix/lost", "check_client_access ldap:/etc/postfix/lost", True),
        ("check_sender_access hash:/etc/postfix/senders", "check_sender_access", True),
        ("permit_dnswl_client list.test, reject", "permit_dnswl_client list.test", False),
        ("reject, reject_rbl_client zen.test", "", False),
        ("warn_if_reject reject_rbl_client zen.test", "warn_if_reject reject_rbl_client zen.test", False),
    ],
)
def test_what_is_not_evaluated_is_told(restriction: str, says: str, wider: bool) -> None:
    text = "compatibility_level = 3.6\nmynetworks = 192.168.0.0/24\nmydestination = example.org\n\n"
    found = read_main(text + f"smtpd_client_restrictions = permit_mynetworks, {restriction}\n")
    policy_from(found)
    left = [one for one in found.left if one.origin.what == "smtpd_client_restrictions"]
    assert (
        [f"{one.origin.text}: {one.text}" for one in left if says in f"{one.origin.text}: {one.text}"]
        if says
        else not left
    )
    assert any(one.widens for one in left) is wider


def test_a_word_that_postfix_does_not_know_lets_nobody_pass() -> None:
    """A lone backslash in the list: Postfix answers 451 to all that get there."""
    text = "compatibility_level = 3.6\nmynetworks = 192.168.0.0/24\nmydestination = example.org\n"
    found = read_main(text + "smtpd_client_restrictions = permit_mynetworks \\\n")
    policy = policy_from(found)
    assert permits(policy, "192.168.0.1", "a@example.org")
    assert not permits(policy, "203.0.113.9", "a@example.org")


def test_lists_that_name_files_and_take_away() -> None:
    text = "compatibility_level = 3.6\nmynetworks = !192.168.0.9 192.168.0.0/24 cidr:/etc/nets /etc/more 10.0.0.1/8\n"
    text += "mydestination = /etc/domains\nrelay_domains = hash:/etc/relay, !no.example.com, example.com\n"
    found = read_main(
        text,
        ("nets", "172.16.0.0/24 whatever\n"),
        ("more", "198.51.100.7 # one\n\n"),
        ("domains", "example.org\nEXAMPLE.net # two\n"),
        ("relay", "partner.example x\n.other.example x\n"),
    )
    policy = policy_from(found)
    relay = {one.value for one in policy.virtual_servers["default"].relay_restrictions.only_listed}
    assert "172.16.0.0/24" in relay
    assert "198.51.100.7" in relay
    assert not permits(policy, "192.168.0.9", "a@elsewhere.test")
    assert permits(policy, "192.168.0.8", "a@elsewhere.test")
    assert {"example.org", "example.net", "partner.example", "*.partner.example", "*.other.example"} <= set(
        policy.accepted_domains
    )
    assert "*.example.com" not in policy.accepted_domains
    assert "10.0.0.1/8" in told(found)
    assert "a part of it is taken away" in told(found)


def test_domains_of_virtual_aliases() -> None:
    text = "compatibility_level = 3.6\nmynetworks = 127.0.0.0/8\nmydestination =\nvirtual_alias_maps = hash:/etc/postfix/virtual\n"
    found = read_main(text, ("virtual", "alias.example  anything\nbob@alias.example bob\npostmaster root\n"))
    assert list(policy_from(found).accepted_domains) == ["alias.example"]


def test_the_name_and_networks_of_the_machine_are_not_guessed() -> None:
    found = read_main("compatibility_level = 3.6\nsmtpd_relay_restrictions = permit_mynetworks, reject\n")
    policy = policy_from(found)
    assert [one.value for one in policy.virtual_servers["default"].relay_restrictions.only_listed] == [
        "127.0.0.1",
        "::1",
    ]
    assert "$myhostname" in told(found)
    assert "mynetworks_style = host" in told(found)


def test_exceptions_and_domains_of_their_own() -> None:
    text = "compatibility_level = 3.6\nmynetworks = 192.168.0.0/24\nmydestination = example.org, example.net, closed.example\n"
    text += "smtpd_recipient_restrictions = check_recipient_access pcre:/etc/r, permit_mynetworks, check_client_access cidr:/f, reject\n"
    rows = "/^postmaster@example\\.org$/ OK\n/@example\\.net$/i check_client_access cidr:{{198.51.100.9 OK}}, reject\n"
    found = read_main(text, ("/etc/r", rows), ("/f", "198.51.100.0/24 OK\n"))
    policy = policy_from(found)
    assert policy.virtual_servers["default"].recipient_exceptions == ("postmaster@example.org",)
    assert permits(policy, "203.0.113.9", "postmaster@example.org")
    assert permits(policy, "198.51.100.9", "a@example.net")
    assert not permits(policy, "198.51.100.8", "a@example.net")
    assert permits(policy, "198.51.100.8", "a@closed.example")
    assert not any(one.widens for one in found.left)


def test_a_table_that_accepts_a_domain_does_so_here() -> None:
    text = "compatibility_level = 3.6\nmynetworks =\nmydestination = example.org\n"
    text += "smtpd_relay_restrictions = check_recipient_access inline:{partner.example=OK}, reject_unauth_destination\n"
    policy = policy_from(read_main(text))
    assert policy.accepted_domains["partner.example"].kind == "external_relay"
    assert permits(policy, "203.0.113.9", "a@partner.example")
    assert not permits(policy, "203.0.113.9", "a@elsewhere.test")


def test_names_of_clients() -> None:
    text = "compatibility_level = 3.6\nmynetworks =\nmydestination = example.org\n"
    text += "smtpd_client_restrictions = check_client_access hash:/n, reject\n"
    policy = policy_from(read_main(text, ("/n", "filter.example OK\nold.filter.example REJECT\nmx.other.example OK\n")))
    listed = [one.value for one in policy.virtual_servers["default"].connection_control.only_listed]
    assert listed == ["filter.example", "mx.other.example", "*.mx.other.example"]  # *.filter.example would be too much


def test_without_a_name_nobody_comes_in() -> None:
    text = "compatibility_level = 3.6\nmynetworks =\nmydestination = example.org\n"
    found = read_main(text + "smtpd_client_restrictions = reject_unknown_client_hostname\n")
    policy_from(found)
    assert any(one.widens and "without a client name" in one.text for one in found.left)


def test_postscreen_and_single_options() -> None:
    master = "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
    options = "smtpd/pass/smtpd_client_restrictions = permit_mynetworks, reject\nother/inet/x = y\n"
    text = "compatibility_level = 3.6\nmynetworks = 192.168.0.0/24, 203.0.113.0/24\nmydestination = example.org\n"
    text += "postscreen_denylist_action = enforce\npostscreen_access_list = cidr:/etc/screen, permit_mynetworks\n"
    found = read(("m", text), ("s", master), ("p", options), ("screen", "203.0.113.9 reject\n"))
    policy = policy_from(found)
    assert permits(policy, "203.0.113.8", "a@example.org")
    assert not permits(policy, "203.0.113.9", "a@example.org")
    assert not permits(policy, "198.51.100.1", "a@example.org")
    assert "master.cf has no such service" in told(found)


def test_settings_and_files_that_nothing_reads_are_told() -> None:
    text = "compatibility_level = 3.6\nmynetworks = 127.0.0.0/8\nmydestination = example.org\nsmtpd_milters = unix:/x\n"
    text += "smtpd_frobnicate = yes\nmail_owner = postfix\nnot a setting\n"
    found = read_main(text, ("unused", "a b\n"))
    said = told(found)
    assert "main.cf:4 smtpd_milters: smtpd_milters = unix:/x" in said.partition("# Not carried over")[0]
    for one in ("smtpd_frobnicate = yes", "mail_owner", "not a setting", "unused:\n#     nothing that was read names"):
        assert one in said


def test_limits_are_carried() -> None:
    text = "compatibility_level = 3.6\nmynetworks =\nmydestination = example.org\nmessage_size_limit = 1000\n"
    text += "smtpd_recipient_limit = 50\nsmtpd_client_connection_count_limit = 0\n"
    server = policy_from(read_main(text)).virtual_servers["default"]
    assert (server.message_bytes, server.recipients_a_message, server.connections_a_source) == (1000, 50, 50)


def test_refusals_instead_of_the_greeting_and_where_relayed_mail_goes() -> None:
    text = "compatibility_level = 3.6\nmynetworks = 192.168.0.0/24\nmydestination = example.org\n"
    text += "smtpd_client_restrictions = permit_mynetworks, reject\nrelayhost = [smart.example]:587\n"
    policy = policy_from(read_main(text + "smtpd_delay_reject = no\n"))
    assert policy.virtual_servers["default"].refuse_at == "connect"
    assert policy.next_hops["outbound"].address[0].text == "smtp://smart.example:587"
    policy = policy_from(read_main(text.replace("[smart.example]:587", "smart.example")))
    assert policy.virtual_servers["default"].refuse_at == "recipient"
    assert policy.next_hops == {}


def test_files_are_told_by_their_shape() -> None:
    assert shape(OLD) == "main"
    assert shape(MASTER) == "master"
    assert shape("smtp/inet/smtpd_x = y\n") == "options"
    assert shape(FILTER) == ""
    assert recognised(OLD) is not None
    with pytest.raises(ImportFailedError, match="postconf -n"):
        read(("master.cf", MASTER))


@pytest.mark.parametrize(
    ("text", "comes_to"),
    [
        ("$a", "1"),
        ("${a}x$(b)", "1x"),
        ("${a?yes}${b?no}${b:none}", "yesnone"),
        ("${a?{y}:{n}}${b?{y}:{n}}", "yn"),
        ("${{$a} == {1} ? {same} : {other}}", "same"),
        ("${{2.10} <level {3} ? {old} : {new}}", "old"),
        ("${{3.6} <level {3.10} ? {old} : {new}}", "old"),
        ("$$a $nothing.", "$a ."),
        ("${c", ""),
        ("$d", ""),
    ],
)
def test_names_in_values(text: str, comes_to: str) -> None:
    found = Imported()
    files = read_files([Source("main.cf", "a = 1\nb =\nd = $d\nsmtpd_x = y\n")], found)
    assert Values(files).expand(text) == comes_to


def test_values_that_name_each_other_have_an_end() -> None:
    lines = "".join(f"v{number} = $v{number + 1}$v{number + 1}\n" for number in range(60))
    files = read_files([Source("main.cf", f"smtpd_x = y\nmydestination = x\n{lines}")], Imported())
    assert len(Values(files).expand("$v0")) <= 500_000


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"^192\.0\.2\.1$", {Shape("exact", "192.0.2.1")}),
        (r"^192\.0\.2\.", {Shape("beginning", "192.0.2.")}),
        (r"\.Example\.org$", {Shape("ending", ".example.org")}),
        (r"^.+\.example\.org$", {Shape("ending", ".example.org")}),
        (r"(^|\.)example\.org$", {Shape("exact", "example.org"), Shape("ending", ".example.org")}),
        (r"[@.]example\.org$", {Shape("ending", "@example.org"), Shape("ending", ".example.org")}),
        (r"^(postmaster|abuse)@", {Shape("beginning", "postmaster@"), Shape("beginning", "abuse@")}),
        (r"@(.+\.)?example\.org$", {Shape("ending", "@example.org"), Shape("ending", ".example.org")}),
        (r"[%!@].*@[^@]*$", {Shape("routes", "%"), Shape("routes", "!"), Shape("routes", "@")}),
        (".*", {Shape("everything")}),
        ("^", {Shape("everything")}),
        (r"example\.org$", None),
        (r"^192\.0\.2\.1", None),
        (r"dyn[0-9]+\.", None),
        (r"a{3}", None),
        (r"\d", None),
        ("(", None),
        ("((((((((((((a))))))))))))", None),
        ("(a|b)?" * 40, None),
    ],
)
def test_patterns(pattern: str, found: set[Shape] | None) -> None:
    read_shapes = shapes(pattern)
    assert (None if read_shapes is None else set(read_shapes)) == found


def test_long_tables_take_no_time() -> None:
    rows = "".join(f"{a}.{b}.{c}.0/25 OK\n" for a in range(20, 40) for b in range(2) for c in range(50))
    text = "compatibility_level = 3.6\nmynetworks =\nmydestination = example.org\n"
    found = read_main(text + "smtpd_client_restrictions = check_client_access cidr:/t, reject\n", ("/t", rows))
    policy = policy_from(found)
    assert [one.value for one in policy.virtual_servers["default"].connection_control.only_listed] == ["t"]
    assert len(policy.networks["t"].addresses) == 2_000


PIECES = st.sampled_from(
    [
        "mynetworks = ", "mydestination = ", "relay_domains = ", "smtpd_client_restrictions = ", "\n", " ", ",", "$",
        "smtpd_relay_restrictions = ", "permit_mynetworks", "reject", "check_client_access ", "hash:/t", "inline:{a=OK}",
        "regexp:/t", "cidr:/t", "192.0.2.0/24", "[::1]/128", "example.org", "${", "}", "{", "!", "/t", "\\", "\x00", "ü",
        "smtp inet n - y - - smtpd", "  -o smtpd_sasl_auth_enable=yes", "smtpd_restriction_classes = c\nc = c c",
        "static:", "reject_plaintext_session", "check_recipient_access ", "\u202e", '"', "#", "compatibility_level = 9",
    ]
)  # fmt: skip
GARBAGE = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)


@settings(max_examples=40)
@given(GARBAGE, GARBAGE, GARBAGE)
def test_garbage_loads_or_is_refused_in_words(main: str, master: str, table: str) -> None:
    text = "mydestination = example.org\nsmtpd_delay_reject = yes\n" + main
    try:
        found = read(("main.cf", text), ("master.cf", master), ("/t", table))
    except ImportFailedError as error:
        assert str(error)
        return
    site = site_of(document(found, "x"))
    assert not site.errors, [one.finding.message for one in site.errors]
    assert not site.broken_expectations


@given(st.text(max_size=200))
def test_recognising_never_raises(text: str) -> None:
    assert 0 <= POSTFIX.recognise(text) <= 100
    assert isinstance(Values(Files(settings={"a": Setting(text, Origin("x"))})).get("a").value, str)
