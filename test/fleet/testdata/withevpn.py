# ExaBGP 4 with two commands more. It has EVPN's routes and attributes, and no words for them:
#
#	announce evpn multicast VTEP VNI AS
#	announce evpn mac MAC IP VTEP VNI AS SEQUENCE
#
# and withdraw with the same words.
import sys

from exabgp.application.bgp import main
from exabgp.bgp.message import OUT
from exabgp.bgp.message.update.attribute import Attributes, NextHop
from exabgp.bgp.message.update.attribute.community.extended import (
    Encapsulation,
    ExtendedCommunities,
    MacMobility,
    RouteTargetASN2Number,
)
from exabgp.bgp.message.update.attribute.pmsi import PMSIIngressReplication
from exabgp.bgp.message.update.nlri.evpn.mac import MAC as MACIP
from exabgp.bgp.message.update.nlri.evpn.multicast import Multicast
from exabgp.bgp.message.update.nlri.qualifier import ESI, MAC, EthernetTag, Labels, RouteDistinguisher
from exabgp.protocol.ip import IP
from exabgp.reactor.api.command.command import Command
from exabgp.rib.change import Change


class VNI(Labels):
    """The VNI in the label's place, all 24 bits of it (RFC 8365 section 5.1.3)."""

    def __init__(self, vni):
        Labels.__init__(self, [vni])
        self.packed = vni.to_bytes(3, "big")

    def pack(self):
        return self.packed


def change(words, action):
    kind, *rest = words
    if kind == "multicast":
        vtep, vni, asn = rest
    else:
        mac, ip, vtep, vni, asn, sequence = rest
    rd = RouteDistinguisher.fromElements(vtep, int(vni))
    communities = ExtendedCommunities()
    communities.add(RouteTargetASN2Number(int(asn), int(vni)))
    communities.add(Encapsulation(Encapsulation.Type.VXLAN))
    attributes = Attributes()
    if kind == "multicast":
        nlri = Multicast(rd, EthernetTag(0), IP.create(vtep))
        attributes.add(PMSIIngressReplication(vtep, label=int(vni), raw_label=int(vni)))
    else:
        nlri = MACIP(rd, ESI(), EthernetTag(0), MAC(mac), 48, VNI(int(vni)), IP.create(ip))
        if int(sequence):
            communities.add(MacMobility(int(sequence)))
    attributes.add(communities)
    nlri.nexthop = NextHop(vtep)
    nlri.action = action
    return Change(nlri, attributes)


def command(name, action):
    @Command.register("text", name)
    def run(self, reactor, service, line):
        words = line.split(name, 1)[1].split()
        reactor.configuration.inject_change(reactor.peers(service), change(words, action))
        reactor.processes.answer_done(service)
        return True


command("announce evpn", OUT.ANNOUNCE)
command("withdraw evpn", OUT.WITHDRAW)
sys.exit(main())
