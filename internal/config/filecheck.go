package config

import (
	"fmt"
	"net/netip"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
)

// whole checks a link whose keys are all valid, as the daemon will.
func (l *linkReader) whole() {
	for i, h := range l.link.Remotes {
		if h.Name != "" && l.link.Group != nil {
			l.addf(l.remotes[i].place, "remote %s and group %v together: a link has one default destination, write one of them", h.Name, l.link.Group)
			return
		}
	}
	c, err := control.LinkConfig(&l.link.LinkSpec)
	if err == nil {
		err = c.Validate()
	}
	l.add(l.at.name, err)
}

// socket is what links have in common that share a UDP socket. A socket has at most one link
// of a VNI.
type socket struct {
	local netip.Addr
	port  uint16
	v6    bool
}

// checkTogether checks the links against each other, after each was checked by itself. It
// leaves out links without a name or an id.
func (r *fileReader) checkTogether() {
	r.checkPorts()
	type vni struct {
		socket
		id uint32
	}
	names, vnis, sockets := map[string]int{}, map[vni]int{}, map[socket]int{}
	for i := range r.file.Links {
		l, at := &r.file.Links[i], r.links[i]
		if l.Name == "" || l.ID == nil {
			continue
		}
		if first, again := names[l.Name]; again {
			r.addf(at.name, "link %s is there already, in %s: write another name", l.Name, r.links[first].name)
			continue
		}
		names[l.Name] = i
		s := l.socket()
		if first, again := vnis[vni{s, *l.ID}]; again {
			r.addf(at.id, "id %d is link %s's, which has the same local and dstport: write another id, local or dstport", *l.ID, r.file.Links[first].Name)
			continue
		}
		vnis[vni{s, *l.ID}] = i
		first, shared := sockets[s]
		if !shared {
			sockets[s] = i
		} else if other := &r.file.Links[first]; s.v6 && said(l.UDP6ZeroCsumRx) != said(other.UDP6ZeroCsumRx) {
			r.addf(at.name, "link %s differs from link %s in udp6zerocsumrx and shares its socket: set it alike, or use another local or dstport", l.Name, other.Name)
		}
	}
}

// checkPorts checks ports and links against each other.
func (r *fileReader) checkPorts() {
	ports, vlans := map[string]Place{}, map[string]string{}
	for i := range r.file.Ports {
		p := &r.file.Ports[i]
		if first, again := ports[p.Name]; again {
			r.addf(p.Place, "port %s is there already, in %s: write another name", p.Name, first)
		}
		ports[p.Name] = p.Place
	}
	for i := range r.file.Links {
		l, at := &r.file.Links[i], r.links[i]
		if first, taken := ports[l.Name]; taken && l.Name != "" {
			r.addf(at.name, "link %s has the name of the port in %s: write another name", l.Name, first)
		}
		if l.Trunk == nil || l.VLAN == nil {
			continue
		}
		if _, ok := ports[*l.Trunk]; !ok {
			r.addf(at.name, "link %s: there is no port %s: write ports: with - name: %[2]s", l.Name, *l.Trunk)
		}
		key := fmt.Sprint(*l.Trunk, " ", *l.VLAN)
		if first, taken := vlans[key]; taken {
			r.addf(at.name, "link %s: VLAN %d of port %s is link %s's: write another vlan", l.Name, *l.VLAN, *l.Trunk, first)
		}
		vlans[key] = l.Name
	}
}

func said(flag *bool) bool { return flag != nil && *flag }

// socket is the socket where the link's packets arrive.
func (l *FileLink) socket() socket {
	s := socket{port: encap.DefaultPort}
	if l.DstPort != nil {
		s.port = *l.DstPort
	}
	if l.Local != nil && !l.Local.IsUnspecified() {
		s.local = *l.Local
	}
	for _, a := range []*netip.Addr{l.Remote, l.Group, l.Local} {
		if a != nil {
			s.v6 = a.Is6()
			break
		}
	}
	return s
}

// Families are the address families that the link's remotes may have: one where an address of
// the link or of its entries tells the family, else both.
func (l *FileLink) Families() (ipv4, ipv6 bool) {
	s := l.socket()
	if l.Remote == nil && l.Group == nil && l.Local == nil && len(l.FDB) == 0 {
		return true, true
	}
	return !s.v6, s.v6
}
