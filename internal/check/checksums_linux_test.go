package check

import (
	"os"
	"slices"
	"testing"
)

const (
	snmp = "Ip: Forwarding DefaultTTL\nIp: 1 64\n" +
		"Tcp: RtoAlgorithm MaxConn InSegs OutSegs InCsumErrors\nTcp: 1 -1 41 40 3\n" +
		"Udp: InDatagrams NoPorts InErrors InCsumErrors\nUdp: 70 0 5 5\nUdpLite: InDatagrams InCsumErrors\nUdpLite: 1 2\n"
	snmp6 = "Ip6InReceives\t9\nUdp6InDatagrams                 \t20\nUdp6InCsumErrors                \t30\n"
)

func TestParseChecksums(t *testing.T) {
	want := []Checksums{{"udp", 5, 75}, {"udp6", 30, 50}, {"tcp", 3, 41}}
	if got := parseChecksums(snmp, snmp6); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, c := range parseChecksums("Udp: InDatagrams\n", "") {
		if c.Wrong != 0 || c.All != 0 {
			t.Errorf("of nothing: %v", c)
		}
	}
}

// TestChecksumsOfThisKernel: the counters have these names here.
func TestChecksumsOfThisKernel(t *testing.T) {
	four, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	six, err := os.ReadFile("/proc/net/snmp6")
	if err != nil {
		t.Fatal(err)
	}
	all := Gather(nil).Checksums
	if len(all) != 3 {
		t.Fatalf("%v", all)
	}
	for i, c := range parseChecksums(string(four), string(six)) {
		if c.Protocol != all[i].Protocol || c.All < all[i].All {
			t.Errorf("%v, and before %v", c, all[i])
		}
	}
}

// TestSomeWrongChecksums: one now and then is the wire's.
func TestSomeWrongChecksums(t *testing.T) {
	for _, c := range []Checksums{{"udp", 9, 9}, {"udp6", 100, 100_001}, {"tcp", 0, 0}} {
		f := healthy()
		f.Checksums = []Checksums{c}
		if all := Judge(f); len(all) > 0 {
			t.Errorf("%v: %v", c, all)
		}
	}
}
