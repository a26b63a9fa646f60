package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/capture"
)

const captureUsage = "uvtep capture [dev NAME] [remote IP] [mac MAC] [--inner | --outer] [--drops] [--raw] [-c N] [-w FILE]"

func newCaptureCommand(a *app) *cobra.Command {
	var f api.CaptureFilter
	var inner bool
	var file string
	c := &cobra.Command{
		Use:   "capture [dev NAME] [remote IP] [mac MAC]",
		Short: "Show the frames of links, and why frames were dropped; -w writes pcapng",
		Long: captureUsage + `

Frames of link NAME, or of all links and the packets that belong to none, to or from another VTEP, or
of a host's MAC address. Each is a line or, with -w, a packet of a pcapng file (-w - is stdout):

  uvtep capture dev vxlan0 -w - | tshark -r -          (for another dstport: -d udp.port==PORT,vxlan)
  uvtep capture --drops -w drops.pcapng                then in Wireshark: frame.comment contains "drop:"

A file has an interface for each link, the direction in its flags, and in the comments where a frame
went to or came from, and the drop reason; its verdict (TC) is 2 then. --inner (the default) writes
the link's Ethernet frames: what uvtep changes, such as ECN or the MSS, is changed in them; a frame
that is flooded is there once for each remote. --outer writes the packets between VTEPs: Ethernet
addresses and the TTL that the kernel chooses are made up. Superframes are written as the segments
that they stand for; --raw writes them as they are.

--drops takes what is dropped alone. What the kernel drops for uvtep before it is read (packets of
strangers and of unknown VNIs) is there with --drops only. Frames that the kernel lost, such as
tx-port-overflow, are nowhere.

Nothing waits for the reader: what it is too slow for is left out, counted in the file, and told at the
end. Who may change links may capture.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := captureWords(&f, args); err != nil {
				return err
			}
			if inner && f.Outer {
				return usagef("--inner and --outer are one or the other: %s", captureUsage)
			}
			return a.withClient(func(c *client.Client) error { return a.capture(cmd.Context(), c, &f, file) })
		},
	}
	c.Flags().BoolVar(&inner, "inner", false, "the links' frames")
	c.Flags().BoolVar(&f.Outer, "outer", false, "the packets between VTEPs")
	c.Flags().BoolVar(&f.Drops, "drops", false, "what is dropped alone")
	c.Flags().BoolVar(&f.Raw, "raw", false, "superframes as they are")
	c.Flags().Uint64VarP(&f.Count, "count", "c", 0, "end after `N` packets")
	c.Flags().StringVarP(&file, "write", "w", "", "write pcapng to `FILE`; - is stdout")
	return c
}

// captureWords reads the words of capture.
func captureWords(f *api.CaptureFilter, args []string) (err error) {
	for len(args) > 0 {
		if len(args) == 1 {
			return usagef("%s needs a value: %s", args[0], captureUsage)
		}
		switch word, value := args[0], args[1]; word {
		case "dev":
			f.Dev = value
		case "mac":
			f.MAC = value
		case "remote":
			if f.Remote, err = netip.ParseAddr(value); err != nil {
				return usagef("remote %q is no IP address", value)
			}
		default:
			return usagef("unknown word %q: %s", word, captureUsage)
		}
		args = args[2:]
	}
	return nil
}

func (a *app) capture(ctx context.Context, c *client.Client, f *api.CaptureFilter, file string) (err error) {
	out := a.out
	if file != "" && file != "-" {
		to, cerr := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // frames are tenants' data
		if cerr != nil {
			return fmt.Errorf("-w: %w", cerr)
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		out = to
	}
	stream, err := c.Capture(ctx, *f)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // the command ends
	var n capture.Copied
	if file == "" {
		n, err = a.printPackets(stream, true)
	} else {
		n, err = capture.Copy(out, stream)
	}
	if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) { // told to end, or the reader has seen enough
		err = nil
	}
	if err == nil && (file != "" || n.Lost > 0) {
		fmt.Fprintf(a.err, "uvtep: %d packets captured, %d left out: they came faster than they were written\n", n.Packets, n.Lost)
	}
	return err
}

// printPackets prints a line for each packet, of VXLAN packets alone unless all is set or
// uvtep wrote the file.
func (a *app) printPackets(r io.Reader, all bool, ports ...uint16) (n capture.Copied, err error) {
	in, err := capture.NewReader(r, ports...)
	if err != nil {
		return n, err
	}
	for {
		p, err := in.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n.Lost += p.Lost
		if !all && !p.VXLAN && !in.Own() {
			continue
		}
		n.Packets++
		if _, err := fmt.Fprintln(a.out, p.String()); err != nil {
			return n, err
		}
	}
}

func newDecodeCommand(a *app) *cobra.Command {
	var ports []uint
	c := &cobra.Command{
		Use:   "decode FILE",
		Short: "Print the VXLAN packets of a capture, a line each",
		Long: `uvtep decode FILE [--port PORT]

FILE is pcap or pcapng, of tcpdump, Wireshark or uvtep capture; - is stdin. VXLAN is what goes to UDP
port 4789, 8472 (the kernel's old default) or PORT, which may be given several times. Of a file that
uvtep capture wrote all frames are printed. No daemon is needed.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("write uvtep decode FILE")
			}
			in := os.Stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }() // it was read only
				in = f
			}
			var more []uint16
			for _, p := range ports {
				if p == 0 || p > 65535 {
					return usagef("--port %d is out of range: 1 to 65535", p)
				}
				more = append(more, uint16(p))
			}
			n, err := a.printPackets(in, false, more...)
			if err == nil && n.Packets == 0 {
				fmt.Fprintln(a.err, "uvtep: no VXLAN packet is in the file: give the port that they go to with --port")
			}
			return err
		},
	}
	c.Flags().UintSliceVar(&ports, "port", nil, "a further UDP port of VXLAN")
	return c
}
