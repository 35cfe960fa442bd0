"""A Kubernetes NetworkPolicy for the pods of a mail server, which a label of ours chooses.

Grants: connecting. Terms: both families. A rule without `from` is for anybody: a family without addresses has no rule.
Policies only add up, so it can't narrow what another one opens, and it can't count. A pod that some policy chooses
has all ports closed that no policy opens. Where none chose these pods before, the other ports would close; where one
did, opening them would open too much. So that is a policy of its own, for pods with a second label.

Sources: Kubernetes documentation, "Network Policies" (isolation, ipBlock, except, endPort), "Virtual IPs and Service
Proxies" (externalTrafficPolicy), API reference NetworkPolicy v1; kubernetes/website#10151 (what ipBlock sees).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from arrowslit.targets.cloud import FAMILIES, count, halved, indented, is_comment, listed, too_many
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import observed_or
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH

MOST: Final = 20_000
"""An object may have 1.5 MiB in etcd; a range takes about 60 characters of that, and the names of fields as many."""


def _write(rules: Rules, place: Place) -> Body:
    lists = {version: listed(rules.connect, version) for version in FAMILIES}
    families = () if rules.observes else FAMILIES
    peers = "".join("".join(_peers(rules, version, lists[version])) for version in families)
    chosen = _NO_POD if rules.observes else ""
    ours = f"  ingress:\n    - from:\n{peers}      ports:\n{_ports(place.ports)}" if peers else "  ingress: []\n"
    return Body(
        f"{_policy('arrowslit', 'arrowslit: guarded', chosen)}{ours}---\n"
        f"{_policy('arrowslit-other-ports', 'arrowslit-other-ports: open', chosen)}  ingress:\n"
        f"    - ports:\n{_others(place.ports)}",
        apply=(
            "keep the FILE of the last time, if there is one, as FILE.before",
            "kubectl -n NAMESPACE apply --server-side -f FILE",
            "the first time, choose the pods (this restarts them): kubectl -n NAMESPACE patch deployment MAIL -p "
            """'{"spec":{"template":{"metadata":{"labels":{"arrowslit":"guarded"}}}}}'""",
            "where no policy chose these pods before (kubectl -n NAMESPACE get networkpolicy), give the label "
            '"arrowslit-other-ports":"open" in the same patch, or their other ports close',
        ),
        check=(
            "kubectl -n NAMESPACE get pods -l arrowslit=guarded   (all pods of the mail server)",
            "kubectl -n NAMESPACE get networkpolicy   (any other that opens the port to these pods adds to this one)",
            "kubectl -n NAMESPACE get service -o custom-columns=N:.metadata.name,P:.spec.externalTrafficPolicy",
        ),
        undo=(
            "kubectl -n NAMESPACE apply --server-side -f FILE.before, or, where there was none, "
            "kubectl -n NAMESPACE delete networkpolicy arrowslit arrowslit-other-ports; the labels may stay",
        ),
        notes=(
            *observed_or(rules),
            "the service needs externalTrafficPolicy: Local, else the pods see an address of a node for everybody; "
            "a load balancer or proxy in front must keep the client's address too",
            "a pod's node always reaches it, and ports here are those of the pods, not of the service",
            "without a network plugin that knows policies (Calico, Cilium, ...) this does nothing; with some of them a "
            "block of addresses is for clients outside of the cluster alone, and pods that send mail need a rule",
        ),
        gaps=too_many(sum(map(count, lists.values())), MOST, "an object has a greatest size in etcd"),
    )


_NO_POD: Final = """\
    matchExpressions:
      - key: {key}
        operator: DoesNotExist
"""
"""Beside a label that must be there: no pod is chosen, and what was chosen by an earlier file is not any more."""


def _policy(name: str, label: str, more: str) -> str:
    key = label.partition(":")[0]
    return f"""\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
spec:
  podSelector:
    matchLabels:
      {label}
{more.format(key=key)}  policyTypes:
    - Ingress
"""


def _peers(rules: Rules, version: int, lines: list[str]) -> Iterator[str]:
    before = '        - ipBlock:\n            cidr: "'
    if rules.connect.only_listed:
        for line in lines:
            yield indented([line], "        ") if is_comment(line) else f'{before}{line}"\n'
    elif halved(rules.connect.permitted, version):
        yield f'{before}{"0.0.0.0/0" if version == 4 else "::/0"}"\n'
        if lines:
            yield "            except:\n" + indented(lines, '              - "', '"')


def _ports(ports: tuple[int, ...]) -> str:
    return "".join(f"        - protocol: TCP\n          port: {port}\n" for port in ports)


def _others(ports: tuple[int, ...]) -> str:
    """All ports but these, of TCP; all of UDP and SCTP."""
    edges = [0, *sorted(set(ports)), 65536]
    text = ""
    for first, last in pairwise(edges):
        if first + 1 <= last - 1:
            end = f"          endPort: {last - 1}\n" if last - 1 > first + 1 else ""
            text += f"        - protocol: TCP\n          port: {first + 1}\n{end}"
    return text + "        - protocol: UDP\n        - protocol: SCTP\n"


KUBERNETES: Final = Target(
    "kubernetes",
    "a Kubernetes NetworkPolicy",
    CONNECT,
    frozenset({Term.IPV6}),
    HASH,
    "yaml",
    _write,
    frozenset({Term.SIZE.value}),
)
