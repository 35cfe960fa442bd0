"""Rule sets of iptables, line by line: what is carried over, from where, and what is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.imports.imported import ImportFailedError, Source
from arrowslit.imports.iptables.kind import IPTABLES
from arrowslit.imports.iptables.words import words_of
from arrowslit.imports.register import recognised
from tests.imports.firewall_samples import iptables, listed, names, server
from tests.imports.loading import policy_from

LEFT_OUT = "whoever it lets in is left out, and whoever it may turn away too"
FILTER = "-A INPUT -s 203.0.113.0/28 -p tcp -m tcp --dport 25 -j ACCEPT"


def test_each_range_comes_with_its_rule() -> None:
    found = iptables(
        "-A INPUT -s 198.51.100.7/32 -j DROP",
        '-A INPUT -s 198.51.100.0/28 -p tcp -m tcp --dport 25 -m comment --comment "the filter" -j ACCEPT',
        "-A INPUT -m iprange --src-range 203.0.113.5-203.0.113.9 -p tcp --dport 25 -j ACCEPT",
    )
    entries = server(found).connection_control.only_listed
    assert [(one.kind, one.value, one.origin.text, one.note) for one in entries] == [
        ("range", "198.51.100.0-198.51.100.6", "rules.v4:5", "the filter"),
        ("group", "198.51.100.8/29", "rules.v4:5", "the filter"),
        ("range", "203.0.113.5-203.0.113.9", "rules.v4:6", ""),
    ]
    assert names(found) == ["default"]
    assert found.left == []
    assert ["IPv6" in one.because for one in found.doubts] == [True]
    policy_from(found)


def test_a_list_of_those_refused_where_that_is_shorter() -> None:
    found = iptables("-A INPUT -s 198.51.100.0/24 -p tcp --dport 25 -j DROP", policy="ACCEPT")
    entries = server(found).connection_control.all_except_listed
    assert server(found).connection_control.mode == "all_except_listed"
    assert [(one.value, one.origin.text) for one in entries] == [
        ("198.51.100.0/24", "rules.v4:4"),
        ("::/0", "rules.v4"),
    ]


def test_a_policy_that_accepts_restricts_nothing_and_that_is_said() -> None:
    found = iptables(policy="ACCEPT")
    assert listed(found) == ["all but", "::/0"]
    assert any("restrict nothing" in one.because for one in found.remarks)


def test_other_ports_of_mail_where_they_differ() -> None:
    found = iptables(
        FILTER,
        "-A INPUT -p tcp -m multiport --dports 465,587 -s 198.51.100.0/24 -j ACCEPT",
        "-A INPUT -p tcp --dport 587 -s 192.0.2.0/24 -j ACCEPT",
    )
    assert names(found) == ["default", "smtps", "submission"]
    assert listed(found, "default") == ["203.0.113.0/28"]
    assert listed(found, "smtps") == ["198.51.100.0/24"]
    assert listed(found, "submission") == ["198.51.100.0/24", "192.0.2.0/24"]


def test_other_ports_of_mail_where_they_are_the_same() -> None:
    assert names(iptables("-A INPUT -s 203.0.113.0/28 -p tcp -m multiport --dports 25,465,587 -j ACCEPT")) == [
        "default"
    ]


@pytest.mark.parametrize(
    "options",
    [
        "-m time --timestart 08:00 --timestop 18:00",
        "-m geoip --source-country DE,AT",
        "-m mark --mark 0x1/0xff",
        "-m owner --uid-owner 0",
        "-m mac --mac-source 00:11:22:33:44:55",
        '-m string --string "-j ACCEPT" --algo bm',
        "-m recent --rcheck --seconds 60 --name knock",
        "-m limit --limit 3/sec",
        "-m hashlimit --hashlimit-upto 3/sec --hashlimit-mode srcip --hashlimit-name x",
        "-m set --match-set nowhere src",
        "-m brandnew --with something",
        "--brand-new",
        "-m statistic --mode random --probability 0.5",
        "-m conntrack --ctstatus ASSURED",
        "-m tcp --sport 25",
    ],
)
def test_who_is_let_in_by_what_cannot_be_told_is_left_out(options: str) -> None:
    line = f"-A INPUT -s 198.51.100.0/24 -p tcp --dport 25 {options} -j ACCEPT"
    found = iptables(line, FILTER)
    assert listed(found) == ["203.0.113.0/28"]
    if "--sport" not in options:
        assert [(one.origin.text, one.text, one.widens) for one in found.left] == [("rules.v4:4", line, False)]
    policy_from(found)


@pytest.mark.parametrize(
    "options", ["-m time --timestart 08:00", "! --brand-new", "-m recent --rcheck --name bad", "-m geoip --src-cc XX"]
)
def test_who_may_be_turned_away_by_what_cannot_be_told_is_left_out(options: str) -> None:
    found = iptables(f"-A INPUT -s 203.0.113.8/29 -p tcp {options} -j DROP", FILTER)
    assert listed(found) == ["203.0.113.0/29"]
    assert [one.origin.line for one in found.left] == [4]


@pytest.mark.parametrize(
    "options",
    [
        "-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr",
        "-m hashlimit --hashlimit-above 9/min --hashlimit-mode srcip --hashlimit-name x",
        "-m recent --update --seconds 60 --hitcount 5 --name x --mask 255.255.255.255 --rsource",
    ],
)
def test_a_limit_for_each_client_is_lost_and_that_is_said(options: str) -> None:
    found = iptables(f"-A INPUT -p tcp --dport 25 {options} -j REJECT", FILTER)
    assert listed(found) == ["203.0.113.0/28"]
    assert [(one.origin.line, one.widens) for one in found.left] == [(4, True)]
    assert "how often" in found.left[0].because


def test_a_guard_against_floods_lets_on_who_comes_seldom() -> None:
    found = iptables(
        ":FLOOD - [0:0]",
        "-A INPUT -p tcp --syn -j FLOOD",
        FILTER,
        "-A FLOOD -m limit --limit 25/sec --limit-burst 50 -j RETURN",
        "-A FLOOD -j DROP",
    )
    assert listed(found) == ["203.0.113.0/28"]
    assert [(one.origin.line, one.widens) for one in found.left] == [(7, True)]


def test_rules_that_do_not_concern_mail_leave_nothing() -> None:
    found = iptables(
        "-A INPUT -p tcp --dport 22 -m time --timestart 08:00 -j ACCEPT",
        "-A INPUT -p udp -m recent --rcheck -j DROP",
        "-A INPUT -m limit --limit 1/min -j LOG",
        "-A INPUT -p icmp -m icmp --icmp-type 8 -m limit --limit 1/sec -j ACCEPT",
        FILTER,
    )
    assert found.left == []


def test_a_chain_that_calls_itself_or_is_not_there() -> None:
    found = iptables(":A - [0:0]", "-A INPUT -s 203.0.113.8/29 -j A", "-A A -j A", FILTER, "-A INPUT -j NOWHERE")
    assert listed(found) == ["203.0.113.0/29"]
    assert [(one.origin.line, one.because) for one in found.left] == [
        (6, f"its chain calls itself; {LEFT_OUT}"),
        (8, f"the chain it leads to is not in the file; {LEFT_OUT}"),
    ]


def test_the_inner_interface_is_not_everybody() -> None:
    found = iptables("-A INPUT -i eth1 -j ACCEPT", "-A INPUT -i eth0 -s 203.0.113.0/28 -p tcp --dport 25 -j ACCEPT")
    assert listed(found) == ["203.0.113.0/28"]
    assert any("whoever comes by interface eth1 is let in" in one.because for one in found.doubts)


def test_an_inner_interface_alone_lets_nobody_in() -> None:
    found = iptables("-A INPUT -i eth1 -j ACCEPT", "-A INPUT -i eth0 -p tcp --dport 22 -j ACCEPT")
    assert listed(found) == []
    assert any("interface eth1" in one.because for one in found.doubts)
    assert names(found) == ["default"]


def test_an_outer_interface_that_is_open() -> None:
    found = iptables("-A INPUT -i eth1 -j ACCEPT", "-A INPUT -i eth0 -p tcp --dport 25 ! -s 198.51.100.0/24 -j ACCEPT")
    assert listed(found)[:2] == ["all but", "198.51.100.0/24"]


def test_what_runs_on_the_machine_itself() -> None:
    found = iptables("-A INPUT -i lo -j ACCEPT", FILTER)
    assert [(one.value, one.origin.line) for one in server(found).connection_control.only_listed] == [
        ("203.0.113.0/28", 5),
        ("127.0.0.0/8", 4),
    ]


def test_a_connection_needs_an_answer() -> None:
    """What only lets the first packet in lets nobody in."""
    only_first = "-A INPUT -s 203.0.113.0/28 -p tcp --dport 25 -m state --state NEW -j ACCEPT"
    assert listed(iptables(only_first)) == []
    assert listed(iptables("-A INPUT -m state --state ESTABLISHED -j ACCEPT", only_first)) == ["203.0.113.0/28"]
    no_answer = [":OUTPUT DROP [0:0]", FILTER]
    assert listed(iptables(*no_answer)) == []
    answer = "-A OUTPUT -d 203.0.113.0/29 -p tcp --sport 25 -j ACCEPT"
    assert listed(iptables(*no_answer, answer)) == ["203.0.113.0/29"]
    own = "-A OUTPUT -s 192.0.2.25/32 -p tcp --sport 25 -j ACCEPT"
    assert listed(iptables(*no_answer, own)) == ["203.0.113.0/28"]


NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n{}\nCOMMIT"
FORWARDED = "-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT"


def test_a_port_forward_of_another_port_to_25() -> None:
    found = iptables(
        ":FORWARD DROP",
        FORWARDED,
        "-A FORWARD -d 192.168.0.5 -p tcp --dport 25 -j ACCEPT",
        more=NAT.format("-A PREROUTING -s 203.0.113.0/28 -p tcp --dport 2525 -j DNAT --to-destination 192.168.0.5:25"),
    )
    assert listed(found) == ["203.0.113.0/28"]
    assert server(found).connection_control.only_listed[0].origin.line == 10


def test_a_translation_that_cannot_be_told() -> None:
    found = iptables(
        ":FORWARD DROP",
        FORWARDED,
        "-A FORWARD -d 192.168.0.0/24 -p tcp --dport 25 -j ACCEPT",
        more=NAT.format("-A PREROUTING -p tcp --dport 25 -j DNAT --to-destination 192.168.0.5-192.168.0.9"),
    )
    assert [one.origin.line for one in found.left] == [10]
    assert listed(found) == []


def test_two_servers_by_their_addresses() -> None:
    found = iptables(
        ":FORWARD DROP",
        FORWARDED,
        "-A FORWARD -s 203.0.113.0/28 -d 192.0.2.1 -p tcp --dport 25 -j ACCEPT",
        "-A FORWARD -s 198.51.100.0/24 -d 192.0.2.2 -p tcp --dport 25 -j ACCEPT",
    )
    assert names(found) == ["default", "default-2"]
    assert (listed(found), listed(found, "default-2")) == (["203.0.113.0/28"], ["198.51.100.0/24"])


SETS = """\
create filter hash:net family inet hashsize 1024 maxelem 65536 timeout 0 comment
add filter 203.0.113.0/28 timeout 0 comment "a \\"b\\" -j ACCEPT"
add filter 203.0.113.64/26 timeout 300
add filter 203.0.113.4 nomatch timeout 0
"""


def test_a_set_with_its_comments_and_what_is_there_for_a_time() -> None:
    line = "-A INPUT -p tcp -m set --match-set filter src -m tcp --dport 25 -j ACCEPT"
    found = iptables(line, sets=SETS)
    assert listed(found) == ["203.0.113.0/30", "203.0.113.5-203.0.113.15"]
    assert [(one.origin.line, one.widens) for one in found.left] == [(4, False)]
    assert "for a time" in found.left[0].because
    plain = iptables(line, sets=SETS.rsplit("add", 2)[0])
    assert [one.note for one in server(plain).connection_control.only_listed] == ['a "b" -j ACCEPT']
    policy_from(plain)


def test_a_set_that_is_not_understood_lets_nobody_in() -> None:
    line = "-A INPUT -p tcp -m set --match-set s src,src -j ACCEPT"
    found = iptables(line, sets="create s hash:ip,mark family inet\nadd s 192.0.2.1,0x1\n")
    assert (listed(found), len(found.left)) == ([], 1)
    broken = iptables(
        "-A INPUT -m set --match-set s src -j ACCEPT", sets="create s hash:ip family inet\nadd s 192.0.2\n"
    )
    assert (listed(broken), len(broken.left)) == ([], 1)
    lost = iptables(FILTER, sets="add s 192.0.2.1\nadd\n")
    assert [one.widens for one in lost.left] == [True, True]


def test_a_long_list_is_a_network() -> None:
    adds = "".join(f"add s 10.{n}.0.1\n" for n in range(200))
    found = iptables("-A INPUT -m set --match-set s src -j ACCEPT", sets=f"create s hash:ip family inet\n{adds}")
    assert [one.kind for one in server(found).connection_control.only_listed] == ["network"]
    assert len(listed(found)) == 200
    policy_from(found)


def test_the_family_is_told_by_the_head_or_by_addresses() -> None:
    body = "*filter\n:INPUT DROP\n-A INPUT -s 2001:db8::/32 -p tcp --dport 25 -j ACCEPT\nCOMMIT\n"
    for text in (body, f"# Generated by ip6tables-save v1.8.9 on Tue\n{body}"):
        found = IPTABLES.read([Source("x", text)])
        assert listed(found) == ["2001:db8::/32"]
    found = IPTABLES.read([Source("x", "*filter\n:INPUT ACCEPT\nCOMMIT\n")])
    assert any("which family" in one.because for one in found.doubts)


@pytest.mark.parametrize("line", ["-A INPUT -s example.test -j ACCEPT", "-A INPUT -s 2001:db8::1 -j ACCEPT"])
def test_what_is_no_address_of_the_family_lets_nobody_in(line: str) -> None:
    found = iptables(line, FILTER)
    assert listed(found) == []  # it may accept or refuse anybody
    assert [one.origin.line for one in found.left] == [4]


def test_lines_of_hand_written_files() -> None:
    found = iptables(
        "[12:345] -A INPUT --protocol tcp --source 203.0.113.0/255.255.255.240 --dport smtp --jump ACCEPT",
        "-I INPUT 1 -p tcp -s ! 203.0.113.0/27 -j DROP",
        "-P INPUT ACCEPT",
    )
    assert [(one.value, one.origin.line) for one in server(found).connection_control.only_listed] == [
        ("203.0.113.0/28", 4),
        ("203.0.113.16/28", 3),
    ]


def test_a_line_that_is_not_understood_lets_nobody_in() -> None:
    for line in ("-D INPUT 3", "-A INPUT -s 10.0.0.0/8 -j ACCEPT --comment 'x", "-Z", "what is this", "COMMIT x"):
        found = iptables(FILTER, line)
        assert [one.origin.line for one in found.left] == [5], line
        assert listed(found) in ([], ["203.0.113.0/28"])


def test_a_file_that_is_not_whole_is_refused() -> None:
    text = f"*filter\n:INPUT ACCEPT\n{FILTER}\n"
    with pytest.raises(ImportFailedError, match=r"filter .*COMMIT.*not whole"):
        IPTABLES.read([Source("cut", text)])


def test_a_file_without_the_filter_lets_nobody_in() -> None:
    found = IPTABLES.read([Source("nat", "# Generated by iptables-save v1\n*nat\n:PREROUTING ACCEPT\nCOMMIT\n")])
    assert listed(found) == []
    assert any("no table filter" in one.because for one in found.doubts)


HOSTILE = [
    '"\\"',
    "\u2028-A INPUT -j ACCEPT\u2028",
    'x\\" -j ACCEPT',
    "]] }\n",
    "'''",
    "-j",
    "ACCEPT",
    "--comment",
    "\x00\x1b[2J",
    "a" * 3000,
]


@pytest.mark.parametrize("word", HOSTILE)
def test_comments_and_names_of_strangers_change_nothing(word: str) -> None:
    quoted = '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
    found = iptables(
        f"-A INPUT -p tcp -m comment --comment {quoted} -s 198.51.100.0/24 -j DROP",
        f"-A INPUT -s 203.0.113.0/28 -p tcp --dport 25 -m comment --comment {quoted} -j ACCEPT",
        f"-A INPUT -p tcp -j LOG --log-prefix {quoted}",
    )
    assert listed(found) == ["203.0.113.0/28"]
    policy_from(found)


def test_words() -> None:
    assert words_of('-A X --comment "a \\"b\\" c" -j Y') == ("-A", "X", "--comment", 'a "b" c', "-j", "Y")
    assert words_of("a '' \"b\"c\td") == ("a", "", "bc", "d")
    assert words_of('a "b') is None


WORDS = [
    *("-A INPUT", "-A FORWARD", "-A X", ":INPUT DROP", ":X -", "*filter", "*nat", "COMMIT", "-s", "-d"),
    *("!", "203.0.113.0/24", "192.0.2.1", "2001:db8::/32", "-p", "tcp", "--dport", "25", "-m", "conntrack"),
    *("--ctstate", "NEW", "set", "--match-set", "s", "src", "-j", "ACCEPT", "DROP", "X"),
    *("DNAT", "--to-destination", ":25", "-i", "eth0", '"', "\\", "multiport", "--dports", "25,465"),
    *("limit", "--limit", "-g", "RETURN", "recent", "--hitcount", "99999999999", "--", ",", "0x"),
    *(
        "--tcp-flags",
        "SYN",
        "-I INPUT",
        "create s hash:net family inet",
        "add s 192.0.2.0/24",
        "add s",
        "iprange",
        "--src-range",
        "1-2",
        "--sport",
    ),
    *("65536", "REDIRECT", "--to-ports"),
]
LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), max_size=25)


@settings(max_examples=150, deadline=None)
@given(LINES, st.text(max_size=40))
def test_whatever_stands_there_a_policy_comes_of_it(lines: list[str], more: str) -> None:
    text = "\n".join(["*filter", ":INPUT DROP", *lines, more, "COMMIT"])
    IPTABLES.recognise(text)
    try:
        found = IPTABLES.read([Source("x", text)])
    except ImportFailedError:
        return
    policy_from(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("# Generated by iptables-save v1.8.9\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "iptables"),
        ("create x hash:net family inet\nadd x 192.0.2.0/24\n", "iptables"),
        ("create x table\n", None),
        ("* filter\n", None),
    ],
)
def test_it_is_recognised(text: str, kind: str | None) -> None:
    found = recognised(text)
    assert (found.name if found else None) == kind
