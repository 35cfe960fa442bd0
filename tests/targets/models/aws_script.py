"""The script for the AWS command line, run by a real shell in an account that has nothing yet.

`aws` is a function here that writes down how it is called and answers as an empty account does. What the calls come to
is read from the reference: whoever stands in a prefix list that a rule of the group names may connect; nobody else
(Amazon VPC User Guide, "Security group rules", "Managed prefix lists").
"""

from __future__ import annotations

from ipaddress import ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.run_script import called, option, words

FAKE = r"""
aws() {
	record aws "$@"
	case "$*" in
	*create-managed-prefix-list*IPv4*) echo pl-4 ;;
	*create-managed-prefix-list*IPv6*) echo pl-6 ;;
	*"PrefixLists[0].State "*) echo create-complete ;;
	*"PrefixLists[0].Version "*) echo 1 ;;
	*"PrefixLists[0].MaxEntries "*) echo 1000 ;;
	esac
}
"""


def aws(text: str) -> Admits:
    made = [call for call in called(FAKE, text, {"SECURITY_GROUP": "sg-1"}) if call[2].split("-")[0] not in READS]
    if not made and not closes(text):
        return lambda _: True  # the rules that were there stay
    entries: dict[str, set[str]] = {}
    open_to: set[str] = set()
    for call in called(FAKE, text, {"SECURITY_GROUP": "sg-1"}):
        if call[:2] != ["aws", "ec2"]:
            raise ValueError(str(call))
        match call[2]:
            case "create-managed-prefix-list":
                entries[f"pl-{option(call, '--address-family')[-1]}"] = set()
            case "modify-managed-prefix-list":
                added = {word.removeprefix("Cidr=") for word in words(call, "--add-entries")}
                if len(added) > 100 or words(call, "--remove-entries"):
                    raise ValueError(str(call))
                entries[option(call, "--prefix-list-id")] |= added
            case "authorize-security-group-ingress":
                open_to.add(_rule(option(call, "--ip-permissions")))
            case word if not word.startswith(("describe-", "get-")):
                raise ValueError(str(call))
    nets = [ip_network(one) for name in open_to for one in entries[name]]

    def admits(address: IPAddress) -> bool:
        return any(address in net for net in nets)

    return admits


READS = {"describe", "get"}


def closes(text: str) -> bool:
    """Whether the script takes wide rules away: it does not say that it won't."""
    try:
        called(FAKE, text, {"SECURITY_GROUP": "sg-1"}, say="close")
    except ValueError as error:
        return "nothing is closed" not in str(error)
    return True


def _rule(text: str) -> str:
    before, name, after = text.partition("PrefixListId=")
    if before != "IpProtocol=tcp,FromPort=25,ToPort=25,PrefixListIds=[{" or not name:
        raise ValueError(text)
    return after.removesuffix(",Description=Arrowslit}]")


MODELS = {"aws": aws}
