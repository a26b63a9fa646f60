package bgp

import "encoding/binary"

// maxShared is how many different attribute lists a Decoder remembers to share them, twice: those since it
// had so many last, and those before. In a fabric there is one for each VTEP and sequence number.
const maxShared = 8192

// Decoder reads the UPDATEs of one session. The zero value is one of a session with AS
// numbers of two bytes to another AS.
type Decoder struct {
	// AS4 says that AS numbers have four bytes (RFC 6793), Internal that the neighbour is of
	// the same AS.
	AS4, Internal bool
	// Drops counts what was not taken.
	Drops map[DropReason]uint64

	list          []byte                 // of the UPDATE at hand: its attributes without routes
	shared, older map[string]*Attributes // by such a list, those that were taken as they are
	drops         uint64                 // the sum of what was counted in Drops
}

func (d *Decoder) drop(r DropReason) {
	if d.Drops == nil {
		d.Drops = map[DropReason]uint64{}
	}
	d.Drops[r]++
	d.drops++
}

// parts are those of an UPDATE: where its routes are, and what is wrong with it.
type parts struct {
	reach, unreach       []byte
	hasReach, hasUnreach bool
	nextHop              []byte
	withdraw             bool // RFC 7606 section 2: treat-as-withdraw
}

func malformedList() error { return &Notification{Code: codeUpdate, Subcode: subMalformedList} }

// Update reads the body of an UPDATE into u, whose slices it reuses. endOfRIB says that it
// is the mark of RFC 4724 section 2. An error, the *Notification to send, ends the session:
// the routes that the message is about cannot be told (RFC 7606 sections 3 and 5.2).
// Anything else that is wrong counts in Drops.
func (d *Decoder) Update(body []byte, u *Update) (endOfRIB bool, err error) {
	u.Withdrawn, u.Announced, u.Attributes = u.Withdrawn[:0], u.Announced[:0], nil
	withdrawn := int(binary.BigEndian.Uint16(body))
	if 4+withdrawn > len(body) {
		return false, malformedList()
	}
	list := body[2+withdrawn:]
	attributes := int(binary.BigEndian.Uint16(list))
	if 2+attributes > len(list) {
		return false, malformedList()
	}
	if withdrawn > 0 || 2+attributes < len(list) { // IPv4 unicast, which was not agreed on
		d.drop(DropFamily)
	}
	var p parts
	d.list = d.list[:0]
	if err := d.split(list[2:2+attributes], &p); err != nil {
		return false, err
	}
	if p.hasUnreach {
		if u.Withdrawn, err = d.routes(p.unreach, u.Withdrawn); err != nil {
			return false, err
		}
	}
	if !p.hasReach {
		if p.withdraw {
			d.drop(DropMalformed)
		}
		return !p.withdraw && p.hasUnreach && len(p.unreach) == 0 && len(d.list) == 0, nil
	}
	if u.Announced, err = d.routes(p.reach, u.Announced); err != nil {
		return false, err
	}
	if !p.withdraw {
		u.Attributes, p.withdraw = d.attributes(p.nextHop)
	}
	if p.withdraw {
		d.drop(DropMalformed)
		u.Withdrawn = append(u.Withdrawn, u.Announced...)
		u.Announced, u.Attributes = u.Announced[:0], nil
	}
	return false, nil
}

// split finds the routes of an attribute list and gathers all other attributes in d.list.
func (d *Decoder) split(b []byte, p *parts) error {
	var seen [256]bool
	for len(b) > 0 {
		a, rest, ok := nextAttribute(b)
		if !ok { // RFC 7606 section 4: what came before says which routes it is about
			p.withdraw = true
			break
		}
		raw := b[:len(b)-len(rest)]
		b = rest
		if a.code == attrReach || a.code == attrUnreach {
			if seen[a.code] { // RFC 7606 section 3 (g)
				return malformedList()
			}
			if err := d.multiprotocol(a, p); err != nil {
				return err
			}
		} else if seen[a.code] { // of others the first one counts
			d.drop(DropAttribute)
		} else if _, known := attributeFlags(a.code); known {
			d.list = append(d.list, raw...)
		} else if d.drop(DropUnknownAttribute); a.flags&flagOptional == 0 {
			p.withdraw = true // a well-known attribute that is not known: RFC 4271 section 6.3
		}
		seen[a.code] = true
	}
	if p.withdraw && !p.hasReach && !p.hasUnreach { // RFC 7606 section 5.2
		return malformedList()
	}
	return nil
}

// multiprotocol reads MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 4760 sections 3 and 4) down to
// its routes.
func (d *Decoder) multiprotocol(a attribute, p *parts) error {
	v, reach := a.value, a.code == attrReach
	bad := func() error {
		return &Notification{Code: codeUpdate, Subcode: subOptional, Data: append([]byte(nil), a.raw...)}
	}
	if len(v) < 3 {
		return bad()
	}
	if binary.BigEndian.Uint16(v) != afiL2VPN || v[2] != safiEVPN {
		d.drop(DropFamily)
		return nil
	}
	p.withdraw = p.withdraw || a.flags&flagsChecked != flagOptional
	v = v[3:]
	if !reach {
		p.unreach, p.hasUnreach = v, true
		return nil
	}
	if len(v) < 1 {
		return bad()
	}
	switch n := int(v[0]); n {
	case 4, 16, 32: // 32: a global and a link-local address (RFC 2545 section 3)
		if len(v) < 2+n {
			return bad()
		}
		p.nextHop, p.reach, p.hasReach = v[1:1+n], v[2+n:], true // one reserved byte between
		return nil
	default: // RFC 7606 section 7.11: where the routes begin is not sure
		return bad()
	}
}

// routes reads NLRI. Those of unknown types, and those that are not as their type says, are
// left out: their length tells where the next one begins.
func (d *Decoder) routes(b []byte, to []Route) ([]Route, error) {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) { // RFC 7606 section 5.3
			return to, &Notification{Code: codeUpdate, Subcode: subOptional}
		}
		typ, v := RouteType(b[0]), b[2:2+int(b[1])]
		b = b[2+len(v):]
		if typ < AutoDiscovery || typ > IPPrefix {
			d.drop(DropType)
			continue
		}
		to = append(to, Route{})
		if !parseRoute(&to[len(to)-1], typ, v) {
			d.drop(DropRoute)
			to = to[:len(to)-1]
		}
	}
	return to, nil
}

// attributes returns those of d.list, or says that the routes are withdrawn. Equal lists
// are read once.
func (d *Decoder) attributes(nextHop []byte) (a *Attributes, withdraw bool) {
	d.list = append(append(d.list, nextHop...), byte(len(nextHop)))
	if a, ok := d.shared[string(d.list)]; ok {
		return a, false
	}
	if a, ok := d.older[string(d.list)]; ok {
		d.remember(a)
		return a, false
	}
	before := d.drops
	list := d.list[:len(d.list)-1-len(nextHop)]
	a, withdraw = d.parseAttributes(list, nextHop)
	if withdraw || before != d.drops { // what counts something is read each time
		return a, withdraw
	}
	d.remember(a)
	return a, false
}

// remember has a shared by what has the list at hand.
func (d *Decoder) remember(a *Attributes) {
	if len(d.shared) >= maxShared {
		d.older, d.shared = d.shared, nil
	}
	if d.shared == nil {
		d.shared = map[string]*Attributes{}
	}
	d.shared[string(d.list)] = a
}
