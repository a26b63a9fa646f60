package main

import (
	"strings"
	"testing"
)

const profile = `uvtep 
	ffffffff81b6a536 _copy_from_iter
	ffffffff81ffe6f8 ip_make_skb
	ffffffff81e2fe94 __sys_sendmmsg
	          2d1d4c github.com/uvtep/uvtep/vtep/forward.(*PortWorker).Forward
	          2de5aa github.com/uvtep/uvtep/vtep.(*VTEP).readPort

uvtep 
	          2d1d4c github.com/uvtep/uvtep/encap.addBytes
	          2d1d4c github.com/uvtep/uvtep/vtep/forward.(*NetWorker).Forward
	          2de5aa github.com/uvtep/uvtep/vtep.(*endpoint).readSocket

uvtep 
	          2d1d4c runtime.schedule

iperf3 
	ffffffff81b6a536 _copy_from_iter
`

func TestCount(t *testing.T) {
	counts, err := count(strings.NewReader(profile))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"copy the payload into the kernel's buffers": 1, "checksums": 1, "Go's scheduler, waiting, waking": 1}
	for i, n := range counts {
		k := tasks[i]
		if k.worker == "send" && k.what == "checksums" {
			if n != 0 {
				t.Error("a receiver's checksum counts for the sender")
			}
			continue
		}
		if n != want[k.what] {
			t.Errorf("%s %q: %d, want %d", k.worker, k.what, n, want[k.what])
		}
	}
}
