package top

import (
	"unicode/utf8"
)

// mostFilter is how long a filter may be.
const mostFilter = 60

// Key takes a key by bubbletea's name, and reports whether the user has had enough.
func (m *Model) Key(key string) (quit bool) {
	switch {
	case key == "ctrl+c":
		return true
	case m.typing:
		m.typeFilter(key)
		return false
	case key == "q":
		return true
	case m.page == helpPage:
		m.page = m.behind
		return false
	}
	switch key {
	case "?", "h", "f1":
		m.page, m.behind = helpPage, m.page
	case "space", " ":
		m.paused = !m.paused
	case "/":
		m.typing = true
	default:
		if m.page == lists {
			m.listKey(key)
		} else {
			m.pageKey(key)
		}
	}
	return false
}

// typeFilter takes a key while the filter is typed.
func (m *Model) typeFilter(key string) {
	f := m.theFilter()
	switch {
	case key == "enter":
		m.typing = false
	case key == "esc":
		m.typing, *f = false, ""
	case key == "ctrl+u":
		*f = ""
	case key == "backspace" || key == "ctrl+h":
		if n := len(*f); n > 0 {
			*f = (*f)[:n-1]
		}
	case key == "space":
		m.typeText(" ")
	case utf8.RuneCountInString(key) == 1:
		m.typeText(key)
	}
	m.fdbScroll = 0
	m.arrange()
}

// typeText adds what ASCII there is in a text to the filter: a key's, or what was pasted.
func (m *Model) typeText(s string) {
	f := m.theFilter()
	for _, c := range []byte(s) {
		if c >= ' ' && c <= '~' && len(*f) < mostFilter {
			*f += string(rune(c))
		}
	}
}

// Paste takes a pasted text, which is of use in a filter.
func (m *Model) Paste(s string) {
	if m.typing {
		m.typeText(s)
		m.arrange()
	}
}

// theFilter is that of the page.
func (m *Model) theFilter() *string {
	if m.page == lists {
		return &m.filter
	}
	return &m.fdbFilter
}

// listKey takes a key in a list.
func (m *Model) listKey(key string) {
	switch key {
	case "tab":
		m.setTab((m.tab + 1) % tabs)
	case "shift+tab":
		m.setTab((m.tab + tabs - 1) % tabs)
	case "1", "2", "3", "4":
		m.setTab(tab(key[0] - '1'))
	case "s":
		m.sort = (m.sort + 1) % sortKeys
	case "S":
		m.sort = (m.sort + sortKeys - 1) % sortKeys
	case "r":
		m.reversed = !m.reversed
	case "esc":
		m.filter = ""
	case "enter", "right":
		m.open()
		return
	default:
		m.moveCursor(key)
		return
	}
	m.arrange()
}

func (m *Model) setTab(t tab) { m.tab, m.chosen, m.scroll = t, "", 0 }

// moveCursor takes a key that moves.
func (m *Model) moveCursor(key string) {
	if len(m.rows) == 0 {
		return
	}
	to := moved(key, m.at(), len(m.rows), m.listHeight())
	m.chosen = m.rows[to].key
	if to == 0 {
		m.chosen = "" // whichever row comes first
	}
}

// moved is where a key leads from a place among n.
func moved(key string, from, n, height int) int {
	switch key {
	case "up", "k", "ctrl+p":
		from--
	case "down", "j", "ctrl+n":
		from++
	case "pgup", "ctrl+b":
		from -= max(height-1, 1)
	case "pgdown", "ctrl+f":
		from += max(height-1, 1)
	case "home", "g":
		from = 0
	case "end", "G":
		from = n - 1
	}
	return max(min(from, n-1), 0)
}

// open shows more of the row with the cursor.
func (m *Model) open() {
	if len(m.rows) == 0 {
		return
	}
	r := &m.rows[m.at()]
	m.fdbFilter, m.fdbScroll, m.entries = "", 0, Entries{}
	switch {
	case r.remote != nil:
		m.page, m.link, m.dst = remotePage, r.link.Name, r.remote.Dst
	case r.link != nil:
		m.page, m.link = linkPage, r.link.Name
	case r.drop != nil && m.links[r.drop.where] != nil:
		m.page, m.link = linkPage, r.drop.where
	case r.finding != nil && m.links[r.finding.Link] != nil:
		m.page, m.link = linkPage, r.finding.Link
	}
}

// pageKey takes a key on the page of a link or a remote.
func (m *Model) pageKey(key string) {
	switch key {
	case "esc":
		if m.fdbFilter != "" {
			m.fdbFilter = ""
			return
		}
		m.page = lists
	case "left", "backspace":
		m.page = lists
	default:
		m.fdbScroll = moved(key, m.fdbScroll, len(m.entries.List), m.fdbHeight())
	}
}
