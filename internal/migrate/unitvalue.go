package migrate

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// unitNumber reads a whole number up to most as systemd does (safe_atou in
// src/basic/parse-util.c): decimal, or with 0, 0x, 0o or 0b before it.
func unitNumber(v string, most uint64) (uint64, error) {
	if strings.Contains(v, "_") { // which is Go's alone
		return 0, errors.New("it is no number")
	}
	return number(strings.TrimPrefix(v, "+"), most)
}

// timeUnits are those of systemd.time(7), in microseconds.
func timeUnits() map[string]uint64 {
	const second, day = 1e6, 86400e6
	units := map[string]uint64{"": second}
	for _, u := range []struct {
		names string
		usec  uint64
	}{
		{"us usec µs μs", 1}, {"ms msec", 1000}, {"s sec second seconds", second}, {"m min minute minutes", 60 * second},
		{"h hr hour hours", 3600 * second}, {"d day days", day}, {"w week weeks", 7 * day}, {"M month months", 2629800 * second}, {"y year years", 31557600 * second},
	} {
		for name := range strings.FieldsSeq(u.names) {
			units[name] = u.usec
		}
	}
	return units
}

// unitSeconds reads a time span as parse_sec in src/basic/time-util.c does, in
// whole seconds. networkd sends no more of them than fit 32 bits, of infinity as well.
func unitSeconds(v string) (uint64, error) {
	wrong := errors.New("it is no time such as 300, 5min or 1month")
	rest := strings.TrimSpace(v)
	if rest == "infinity" {
		return uint64(uint32(math.MaxUint64 / 1_000_000 & math.MaxUint32)), nil
	}
	units, total := timeUnits(), uint64(0)
	for first := true; first || rest != ""; first = false {
		var whole, fraction, unit string
		whole, rest = span(rest, "0123456789")
		if after, ok := strings.CutPrefix(rest, "."); ok {
			fraction, rest = span(after, "0123456789")
		}
		rest = strings.TrimLeft(rest, whitespace)
		unit, rest = span(rest, "abcdefghijklmnopqrstuvwxyzMµμ")
		rest = strings.TrimLeft(rest, whitespace)
		n, err := strconv.ParseUint(whole, 10, 64)
		usec, known := units[unit]
		if err != nil || !known {
			return 0, wrong
		}
		high, low := bits.Mul64(n, usec)
		for _, digit := range fraction {
			usec /= 10
			low += uint64(digit-'0') * usec
		}
		if total += low; high != 0 || total < low {
			return 0, wrong
		}
	}
	return uint64(uint32(total / 1_000_000 & math.MaxUint32)), nil
}

// span cuts what is of these characters from the front of text.
func span(text, characters string) (head, tail string) {
	tail = strings.TrimLeft(text, characters)
	return text[:len(text)-len(tail)], tail
}

// unitSize reads a size as parse_size in src/basic/parse-util.c does: with B, K,
// M, G of 1024 behind it, a fraction too, and smaller ones behind a larger one.
func unitSize(v string) (uint64, error) {
	const suffixes = "EPTGMKB"
	wrong := errors.New("it is no size in bytes, such as 1500, 9000B or 1.5K")
	rest, total, from := strings.TrimSpace(v), uint64(0), 0
	for first := true; first || rest != ""; first = false {
		var whole, fraction string
		whole, rest = span(rest, "0123456789")
		if after, ok := strings.CutPrefix(rest, "."); ok {
			fraction, rest = span(after, "0123456789")
		}
		rest = strings.TrimLeft(rest, whitespace)
		i := len(suffixes) // none
		if rest != "" {
			if i = strings.IndexByte(suffixes, rest[0]); i < 0 {
				return 0, wrong
			}
			rest = strings.TrimLeft(rest[1:], whitespace)
		}
		n, err := strconv.ParseUint(whole, 10, 32)
		if err != nil || i < from {
			return 0, wrong
		}
		unit := math.Exp2(float64(10 * max(len(suffixes)-1-i, 0)))
		part := float64(n) * unit
		if f, err := strconv.ParseFloat("0."+fraction, 64); err == nil {
			part += math.Trunc(f * unit)
		}
		if part+float64(total) > math.MaxUint32 {
			return 0, wrong
		}
		total, from = total+uint64(part), i+1
	}
	return total, nil
}

// unitMAC reads a MAC address with colons, dashes or dots (parse_hw_addr in
// src/basic/ether-addr-util.c).
func unitMAC(v string) (string, error) {
	wrong := errors.New("it is no MAC address")
	for _, form := range []struct {
		separator string
		groups    int
	}{{":", 6}, {"-", 6}, {".", 3}} {
		groups := strings.Split(v, form.separator)
		if len(groups) != form.groups {
			continue
		}
		digits := 12 / form.groups
		var hex strings.Builder
		for _, g := range groups {
			if len(g) == 0 || len(g) > digits {
				return "", wrong
			}
			hex.WriteString(strings.Repeat("0", digits-len(g)) + g)
		}
		var octets []string
		for text := hex.String(); text != ""; text = text[2:] {
			octets = append(octets, text[:2])
		}
		return macOf(strings.Join(octets, ":"))
	}
	return "", wrong
}
