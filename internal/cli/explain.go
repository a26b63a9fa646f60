package cli

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/status"
)

const explainUsage = "uvtep explain dev NAME dst MAC [src MAC] [vlan ID] [len BYTES], or uvtep explain from remote IP [dev NAME | vni VNI] [src MAC] [dst MAC] [vlan ID] [len BYTES] [tos TOS], with --frame HEX in place of the addresses"

func newExplainCommand(a *app) *cobra.Command {
	var frame, payload string
	c := &cobra.Command{
		Use:   "explain dev NAME dst MAC ... | from remote IP ...",
		Short: "Tell step by step what happens to a frame, and why; -j as JSON",
		Long: `uvtep explain dev NAME dst MAC [src MAC] [vlan ID] [len BYTES] | dev NAME --frame HEX
uvtep explain from remote IP [dev NAME | vni VNI] [src MAC] [dst MAC] [vlan ID] [len BYTES] [tos TOS]
uvtep explain from remote IP [dev NAME] --frame HEX | --payload HEX

What the daemon would do with a frame that comes from the port of link NAME, or with a packet that
comes from another VTEP: the frame of a trunk port (dev is the port then) has its VLAN tag. The frame
is an IPv4 packet that is made up from the words, or --frame, a whole Ethernet frame; --payload is the
UDP payload of a packet, from the VXLAN header on.

The data path itself decides, on copies of its tables: nothing is sent, learned or counted. What the
network does is asked of this host's routes; a firewall, and full queues, cannot be foreseen.
The last line is the verdict, with what to do. Exit status: 0 the frame goes on, 1 it is dropped, or
wrong usage.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := questionFrom(args, frame, payload)
			if err != nil {
				return err
			}
			return a.withClient(func(c *client.Client) error {
				e, err := c.Explain(cmd.Context(), q)
				if err != nil {
					return err
				}
				return a.showExplanation(&e)
			})
		},
	}
	c.Flags().StringVar(&frame, "frame", "", "the Ethernet frame, in `HEX`")
	c.Flags().StringVar(&payload, "payload", "", "the UDP payload of a packet, in `HEX`")
	return c
}

// madeUp is the frame that the words of explain describe.
type madeUp struct {
	dst, src encap.MAC
	vlan     uint16
	len      int
}

// questionFrom reads the words of explain.
func questionFrom(args []string, frame, payload string) (q api.Question, err error) {
	m := madeUp{dst: encap.MAC{255, 255, 255, 255, 255, 255}, src: encap.MAC{2, 0, 0, 0, 0, 1}, len: 98}
	made, hasDst := false, false
	for len(args) > 0 {
		word, value := args[0], ""
		if args = args[1:]; len(args) > 0 {
			value, args = args[0], args[1:]
		}
		if word == "from" && value == "remote" && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		if value == "" {
			return q, usagef("%s needs a value: %s", word, explainUsage)
		}
		switch word {
		case "dev":
			q.Dev = value
		case "from":
			if q.From, err = netip.ParseAddr(value); err != nil {
				err = usagef("remote %q is no IP address", value)
			}
		case "vni", "id":
			var n uint64
			n, err = explainNumber(word, value, uint64(encap.MaxVNI))
			q.VNI = new(uint32(n))
		case "tos":
			var n uint64
			n, err = explainNumber(word, value, 255)
			q.TOS = uint8(n)
		case "dst", "src", "vlan", "len":
			made, hasDst = true, hasDst || word == "dst"
			err = m.read(word, value)
		default:
			err = usagef("unknown word %q: %s", word, explainUsage)
		}
		if err != nil {
			return q, err
		}
	}
	switch {
	case q.Dev == "" && !q.From.IsValid():
		return q, usagef("no link and no remote: %s", explainUsage)
	case frame != "" && (made || payload != "") || payload != "" && made:
		return q, usagef("the frame is given twice: write --frame, --payload or its addresses")
	case payload != "":
		if q.Payload, err = hex.DecodeString(payload); err != nil || !q.From.IsValid() {
			return q, usagef("--payload is the UDP payload of a packet in hexadecimal, two digits a byte, and needs from remote IP")
		}
	case frame != "":
		if q.Frame, err = hex.DecodeString(frame); err != nil {
			return q, usagef("--frame %q is no hexadecimal: write two digits a byte", frame)
		}
	case !q.From.IsValid() && !hasDst:
		return q, usagef("no destination: %s", explainUsage)
	default:
		q.Frame = m.build()
	}
	return q, nil
}

func explainNumber(word, value string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(value, 0, 64)
	if err != nil || n > most {
		return 0, usagef("%s %q is out of range: 0 to %d", word, value, most)
	}
	return n, nil
}

func (m *madeUp) read(word, value string) (err error) {
	switch word {
	case "dst", "src":
		mac, err := encap.ParseMAC(value)
		if err != nil {
			return usagef("%s %q is no MAC address", word, value)
		}
		if word == "dst" {
			m.dst = mac
		} else {
			m.src = mac
		}
	case "vlan":
		var n uint64
		n, err = explainNumber(word, value, encap.MaxVLAN)
		m.vlan = uint16(n)
	case "len":
		var n uint64
		if n, err = explainNumber(word, value, maxMadeUp); err == nil && n < minMadeUp {
			err = usagef("len %d is out of range: %d to %d", n, minMadeUp, maxMadeUp)
		}
		m.len = int(n)
	}
	return err
}

// The made-up frame has room for an Ethernet, an IPv4 and a UDP header.
const (
	minMadeUp = encap.EthernetHeaderLen + 20 + 8
	maxMadeUp = 65535
)

// build is the frame: UDP over IPv4 between documentation addresses (RFC 5737), to the discard
// port (RFC 863).
func (m *madeUp) build() []byte {
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, encap.ProtoUDP, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2}
	binary.BigEndian.PutUint16(ip[2:], uint16(m.len-encap.EthernetHeaderLen))
	binary.BigEndian.PutUint16(ip[10:], ^encap.Sum(ip))
	udp := []byte{0xc0, 0, 0, 9, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(udp[4:], uint16(m.len-encap.EthernetHeaderLen-len(ip)))
	f := encap.Frame{VLAN: m.vlan, Data: slices.Concat(m.dst[:], m.src[:], []byte{8, 0}, ip, udp, make([]byte, m.len-minMadeUp))}
	return encap.AppendTagged(nil, &f)
}

func (a *app) showExplanation(e *api.Explanation) error {
	if a.json {
		enc := json.NewEncoder(a.out)
		if a.pretty {
			enc.SetIndent("", "    ")
		}
		if err := enc.Encode(e); err != nil {
			return err
		}
	} else {
		for _, s := range e.Steps {
			end := ""
			if s.Drop != "" {
				end = " -> " + s.Drop
			}
			fmt.Fprintf(a.out, "%-10s %s%s\n", s.Name, s.Text, end)
		}
		fmt.Fprint(a.out, e.Verdict)
		if len(e.Drops) > 0 {
			fmt.Fprint(a.out, ": ", status.AdviceOnDrop(e.Drops[0]))
		}
		fmt.Fprintln(a.out)
	}
	if e.Dropped {
		return exitStatus(exitFails)
	}
	return nil
}
