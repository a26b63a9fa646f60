package words

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
)

// link is what a sentence describes.
type link = api.LinkChange

// Value reads and writes the value of a word.
type Value struct {
	// Arg is what follows the word in the usage text; "": the word is a flag and stands
	// alone.
	Arg    string
	List   bool   // of values with commas between; a list in the configuration file
	Hex    bool   // digits are hexadecimal, as ip reads them
	flag   bool   // on or off: the word alone, or its opposite
	off    string // the word that says the opposite, where it is not "no" and the word
	schema string // in docs/openapi.yaml
	// Samples are texts of values, one of each kind that the word takes.
	Samples []string
	read    func(s *Sentence, word string, l *link) error
	// get is the value in Go; nil: the link does not set the word. text is the value in the
	// sentence.
	get  func(l *link) any
	text func(l *link) string
}

// field is where a link has a value; nil there: the value is not set.
type field[T any] func(*link) **T

// valueOf makes the Value of a field. text is nil where fmt prints the value.
func valueOf[T any](arg, schema string, f field[T], read func(s *Sentence, word string) (T, error), text func(T) string) Value {
	if text == nil {
		text = func(v T) string { return fmt.Sprint(v) }
	}
	return Value{
		Arg: arg, schema: schema,
		read: func(s *Sentence, word string, l *link) error {
			v, err := read(s, word)
			if err == nil {
				*f(l) = &v
			}
			return err
		},
		get: func(l *link) any {
			if p := *f(l); p != nil {
				return *p
			}
			return nil
		},
		text: func(l *link) string {
			if p := *f(l); p != nil {
				return text(*p)
			}
			return ""
		},
	}
}

// flag is a word that stands alone; with "no" before it, it means the opposite.
func flag(f field[bool]) Value {
	v := valueOf("", "type: boolean", f, func(_ *Sentence, word string) (bool, error) { return !strings.HasPrefix(word, "no"), nil },
		func(on bool) string { return map[bool]string{true: "on", false: "off"}[on] })
	v.flag, v.Samples = true, []string{"on", "off"}
	return v
}

// number is a whole number from low to high, in any form that iproute2 reads.
func number[T ~int | ~uint8 | ~uint16 | ~uint32](arg string, low, high uint64, f field[T]) Value {
	v := valueOf(arg, fmt.Sprintf("type: integer, minimum: %d, maximum: %d", low, high), f, func(s *Sentence, word string) (T, error) {
		n, err := s.Number(word, low, high)
		return T(n), err
	}, nil)
	v.Samples = []string{strconv.FormatUint(low+1, 10), strconv.FormatUint(high, 10)}
	return v
}

// choice is one of a few words.
func choice(f field[string], allowed ...string) Value {
	quoted := make([]string, len(allowed))
	for i, w := range allowed {
		quoted[i] = strconv.Quote(w)
	}
	v := valueOf(strings.Join(allowed, "|"), "type: string, enum: ["+strings.Join(quoted, ", ")+"]", f,
		func(s *Sentence, word string) (string, error) { return s.OneOf(word, allowed...) }, nil)
	v.Samples = allowed
	return v
}

// checked calls check with a value that was read.
func checked[T any](v Value, f field[T], check func(word string, v T) error) Value {
	read := v.read
	v.read = func(s *Sentence, word string, l *link) error {
		if err := read(s, word, l); err != nil {
			return err
		}
		return check(word, **f(l))
	}
	return v
}

// device is a device's name.
func device(arg, sample string, f field[string]) Value {
	return checked(name(arg, sample, f), f, func(word, dev string) error {
		if err := ValidName(dev); err != nil {
			return Usagef("%s: %v", word, err)
		}
		return nil
	})
}

// mac is a device's MAC address.
func mac(f field[string]) Value {
	return checked(name("MAC", "02:00:00:00:00:01", f), f, func(word, text string) error {
		a, err := encap.ParseMAC(text)
		switch {
		case err != nil:
			return Usagef("%s %q is no MAC address: write one such as 02:00:00:00:00:01", word, text)
		case a.IsZero() || a.IsMulticast():
			return Usagef("%s %s is multicast or zero: write a unicast MAC address, such as 02:00:00:00:00:01", word, text)
		}
		return nil
	})
}

// port is the UDP port of the link.
func port(f field[uint16]) Value {
	return checked(number("PORT", 0, 65535, f), f, func(word string, n uint16) error {
		if n == 0 {
			return Usagef("%s 0 is no port: write 4789, the assigned one, or 8472, which `ip` means where a port is unset", word)
		}
		return nil
	})
}

// name is a text of the user's: the name of a device, or a MAC address.
func name(arg, sample string, f field[string]) Value {
	v := valueOf(arg, "type: string", f, func(s *Sentence, word string) (string, error) { return s.Value(word, arg) }, nil)
	v.Samples = []string{sample}
	return v
}

// address is a host's IP address. local may be unspecified, which leaves it to the route, as in ip.
func address(sample string, f field[netip.Addr]) Value {
	v := valueOf("IP", "type: string", f, (*Sentence).Address, nil)
	v.Samples = []string{sample}
	return checked(v, f, func(word string, a netip.Addr) error {
		switch {
		case word == "local" && a.IsUnspecified() && !a.Is4In6():
			return nil
		case a.IsMulticast() && a.Zone() == "": // vtep says which word is its
			return nil
		}
		return AsUsage(Unicast(word, a))
	})
}

// Unicast reports why a is no address of a host.
func Unicast(word string, a netip.Addr) error {
	switch {
	case !a.IsValid() || a.IsUnspecified():
		return api.Invalidf("%s needs an IP address of a host", word)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return api.Invalidf("%s %v is the broadcast address: write a host's", word, a)
	case a.Is4In6():
		return api.Invalidf("%s %v is an IPv4 address in IPv6: write %v", word, a, a.Unmap())
	case a.Zone() != "":
		return api.Invalidf("%s %v has a zone: write the device as dev %s", word, a, a.Zone())
	}
	return nil
}

// prefixes are one of a few words, or prefixes with commas between.
func prefixes(f field[string], words ...string) Value {
	v := name(strings.Join(append(words, "PREFIX[,PREFIX...]"), "|"), "", f)
	v.List, v.Samples = true, append(words, "192.0.2.0/24,2001:db8::/32")
	v = checked(v, f, func(word, text string) error {
		if slices.Contains(words, text) {
			return nil
		}
		if _, err := ParsePrefixes(text); err != nil {
			return Usagef("%s %q %v: write %s, or prefixes such as 192.0.2.0/24,2001:db8::/32", word, text, err, strings.Join(words, ", "))
		}
		return nil
	})
	return v
}

// ParsePrefixes reads prefixes, or addresses, with commas between.
func ParsePrefixes(text string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for one := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(one)
		if err != nil {
			host, herr := netip.ParseAddr(one)
			if herr != nil || host.Zone() != "" {
				return nil, errors.New("is no list of prefixes")
			}
			p = netip.PrefixFrom(host, host.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, errors.New("has IPv4 prefixes in IPv6")
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// orWord is a number up to most, or one of a few words in its place.
func orWord(f field[api.Value], most uint64, words ...string) Value {
	arg := strings.Join(append([]string{"N"}, words...), "|")
	v := valueOf(arg, `$ref: "#/components/schemas/NumberOrWord"`, f, func(s *Sentence, word string) (api.Value, error) {
		v, err := s.Value(word, arg)
		n, nerr := ParseNumber(v)
		switch {
		case err != nil || slices.Contains(words, v):
			return api.Value(v), err
		case nerr != nil || n > most:
			return "", Usagef("%s %q is out of range: 0 to %d, or %s", word, v, most, strings.Join(words, " or "))
		}
		return api.NumberValue(uint32(n)), nil
	}, nil)
	v.Samples = append(words, "5")
	return v
}

// flowLabel is a number or inherit.
func flowLabel() Value {
	f := func(l *link) **api.Value { return &l.FlowLabel }
	v := hexadecimal(orWord(f, encap.MaxFlowLabel, "inherit"), f)
	v.Samples = []string{"0x5", "inherit"}
	return v
}

// hexadecimal is v, a number, in hexadecimal as ip prints it.
func hexadecimal(v Value, f field[api.Value]) Value {
	v.text = func(l *link) string {
		p := *f(l)
		if p == nil {
			return ""
		}
		if n, ok := p.Number(); ok {
			return fmt.Sprintf("%#x", n)
		}
		return string(*p)
	}
	return v
}

// tos reads hexadecimal with or without 0x, and the DSCP names, as iproute2
// does (rtnl_dsfield_a2n in lib/rt_names.c).
func tos(f field[api.Value]) Value {
	v := valueOf("N|inherit", `$ref: "#/components/schemas/NumberOrWord"`, f, func(s *Sentence, word string) (api.Value, error) {
		v, err := s.Value(word, "0x00-0xff or inherit")
		if err != nil || v == "inherit" {
			return api.Value(v), err
		}
		if n, ok := dsfield(v); ok {
			return api.NumberValue(n), nil
		}
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(v), "0x"), 16, 8)
		if err != nil {
			return "", Usagef("tos %q is no TOS: write 0x00-0xff (hexadecimal, as ip reads it) or inherit", v)
		}
		return api.NumberValue(uint8(n)), nil
	}, nil)
	v.Hex, v.Samples = true, []string{"0x10", "inherit"}
	return hexadecimal(v, f)
}

// dsfield is the value of a DSCP name, ECN bits 0: class selectors (RFC 2474
// section 4.2.2), assured forwarding (RFC 2597 section 6), expedited
// forwarding (RFC 3246 section 2.7), in the upper case that iproute2 has.
func dsfield(name string) (uint8, bool) {
	if name == "EF" {
		return 46 << 2, true
	}
	classes := map[string]uint8{}
	for class := range uint8(8) {
		classes[fmt.Sprint("CS", class)] = class << 5
		for drop := uint8(1); drop <= 3 && class >= 1 && class <= 4; drop++ {
			classes[fmt.Sprint("AF", 10*class+drop)] = class<<5 | drop<<3
		}
	}
	n, ok := classes[name]
	return n, ok
}

// portRange is the lowest and the highest port.
func portRange(f field[api.PortRange]) Value {
	v := valueOf("MIN MAX", `type: array, minItems: 2, maxItems: 2, items: {$ref: "#/components/schemas/PortNumber"}`, f,
		func(s *Sentence, word string) (api.PortRange, error) {
			low, err := s.Number(word, 0, 65535)
			if err != nil {
				return api.PortRange{}, err
			}
			high, err := s.Number(word+" MIN", 0, 65535)
			return api.PortRange{uint16(low), uint16(high)}, err
		}, func(r api.PortRange) string { return fmt.Sprint(r[0], " ", r[1]) })
	v.Samples = []string{"0 0", "50000 50100"}
	return v
}

// seconds is a time in seconds; none is 0, which stands for ever.
func seconds(f field[uint32]) Value {
	v := valueOf("SECONDS|none", "type: integer, minimum: 0", f, func(s *Sentence, word string) (uint32, error) {
		if len(s.Rest) > 0 && s.Rest[0] == "none" {
			s.Rest = s.Rest[1:]
			return 0, nil
		}
		n, err := s.Number(word, 0, 1<<32-1)
		return uint32(n), err
	}, func(n uint32) string {
		if n == 0 {
			return "none"
		}
		return strconv.FormatUint(uint64(n), 10)
	})
	v.Samples = []string{"none", "7"}
	return v
}
