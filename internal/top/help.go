package top

import "strings"

const helpText = `uvtep top: what the daemon does now. It only reads; q leaves.

  tab, 1 to 4   lists: links with their remotes, all remotes, drops, findings
  up, down, j, k, pgup, pgdn, home, end   move
  enter         open a link (FDB, drops, offloads) or a remote; esc goes back
  /             filter: name, vni 42, address, reason. In an FDB a whole MAC
                address or remote is found, however large the FDB is
  s, S, r       sort by the next key, by the one before; reverse
  space         pause, go on           ctrl+z  suspend

HEARD    when the last packet was admitted from the remote; of a link up or down
RX, TX   from and to the network: frames and bits a second, since the last look
DROP/s   what was dropped a second; list 3 has the reasons, and what to do
Pictures have the latest looks, the newest on the right, each in its own scale.
The text at the foot is the verdict of uvtep status, with what to do first.

Next     uvtep explain (why a frame does not arrive), uvtep check, uvtep ping,
         uvtep capture --drops, uvtep monitor drop -v`

// help is the page that ? shows.
func (m *Model) help() (all []line) {
	for i, s := range strings.Split(helpText, "\n") {
		if i == 0 {
			all = append(all, styled(s, strong))
			continue
		}
		all = append(all, text(s))
	}
	for len(all) < m.height-1 {
		all = append(all, line{})
	}
	return append(all[:m.height-1], styled("any key goes back", faint))
}
