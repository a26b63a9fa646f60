package tap

import "testing"

func TestOffloads(t *testing.T) {
	const (
		super = OffloadTSO | OffloadUSO
		all   = super | OffloadChecksum
	)
	for _, tt := range []struct {
		name             string
		config           Config
		granted, written Offload
		want             Offloads
		reason           string
	}{
		{"all", Config{Offload: all}, all, all, Offloads{Read: all, Write: super}, ""},
		{"not asked for", Config{Offload: OffloadChecksum}, OffloadChecksum, all, Offloads{Read: OffloadChecksum, Write: super}, ""},
		{"no USO before Linux 6.2", Config{Offload: all}, all &^ OffloadUSO, all &^ OffloadUSO,
			Offloads{Read: all &^ OffloadUSO, Write: OffloadTSO, Refused: OffloadUSO}, "the kernel refused uso"},
		{"nothing granted", Config{Offload: all}, 0, all, Offloads{Write: super, Refused: all}, "the kernel refused checksum,tso,uso"},
		{"switched off", Config{Offload: OffloadChecksum, NoWriteOffload: super}, OffloadChecksum, OffloadChecksum,
			Offloads{Read: OffloadChecksum, Switched: super}, "switched off"},
		{"one switched off, one refused", Config{Offload: all, NoWriteOffload: OffloadUSO}, all, OffloadChecksum,
			Offloads{Read: all, Switched: OffloadUSO, Refused: OffloadTSO}, "switched off; the kernel refused tso"},
	} {
		got := offloadsOf(tt.config, tt.granted, tt.written)
		if got != tt.want || got.Reason() != tt.reason {
			t.Errorf("%s: %+v because %q, want %+v because %q", tt.name, got, got.Reason(), tt.want, tt.reason)
		}
	}
}

func TestReason(t *testing.T) {
	o := Offloads{Refused: OffloadUSO, Off: OffloadTSO}
	if got, want := o.Reason(), "the kernel refused uso; the device has tso switched off: see ethtool -k"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}
