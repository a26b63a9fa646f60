package config

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

func readText(t *testing.T, text string) (*File, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadFile(name)
}

// TestReadFile: a link's keys say what the sentence's words say.
func TestReadFile(t *testing.T) {
	for text, sentence := range map[string]string{
		"id: 42":                                     "id 42",
		"vni: 0x2a":                                  "id 42",
		"id: 42\n    up: false":                      "id 42 down",
		"id: 1\n    remote: 192.0.2.2":               "id 1 remote 192.0.2.2",
		"id: 1\n    remotes: [192.0.2.2]":            "id 1 remote 192.0.2.2",
		"id: 1\n    local: ::1":                      "id 1 local ::1",
		"id: 1\n    remote: 2001:db8::1":             "id 1 remote 2001:db8::1",
		"id: 1\n    group: 239.1.1.1\n    dev: eth0": "id 1 group 239.1.1.1 dev eth0",
		"id: 1\n    proxy: learn":                    "id 1 proxy learn",
		"id: 1\n    dstport: 8472\n    srcport: [1000, 2000]\n    local: \"192.0.2.1\"":               "id 1 dstport 8472 srcport 1000 2000 local 192.0.2.1",
		"id: 1\n    srcport: 1000 2000\n    ttl: auto\n    tos: 0x10":                                 "id 1 srcport 1000 2000 ttl auto tos 0x10",
		"id: 1\n    srcport:\n      - 1000\n      - 2000\n    ttl: 64\n    tos: AF11":                 "id 1 srcport 1000 2000 ttl 64 tos AF11",
		"id: 1\n    df: inherit\n    learning: false\n    ageing: 100\n    maxaddress: 10":            "id 1 df inherit nolearning ageing 100 maxaddress 10",
		"id: 1\n    df: unset\n    learning: true\n    ageing: none\n    maxaddress: unlimited # all": "id 1 df unset learning ageing none maxaddress unlimited",
		"id: 1\n    udpcsum: false\n    udp6zerocsumtx: true\n    udp6zerocsumrx: false":              "id 1 noudpcsum udp6zerocsumtx noudp6zerocsumrx",
		"id: 1\n    mtu: 1400\n    address: 02:00:00:00:00:01\n    queues: 2":                         "id 1 mtu 1400 address 02:00:00:00:00:01 queues 2",
		"id: 1\n    accept: [192.0.2.0/24, 2001:db8::/32]\n    reserved: drop\n    innervlan: drop":   "id 1 accept 192.0.2.0/24,2001:db8::/32 reserved drop innervlan drop",
		"id: 1\n    reserved: 0xff": "id 1 reserved 0xff",
		"id: 1\n    accept: 192.0.2.0/24,198.51.100.1\n    reserved: ignore": "id 1 accept 192.0.2.0/24,198.51.100.1 reserved ignore",
	} {
		f, err := readText(t, "links:\n  - name: vxlan0\n    "+text+"\n")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		want, err := ParseLinkAdd(strings.Fields("vxlan0 "+sentence), words.AnyFamily)
		if err != nil {
			t.Fatal(err)
		}
		if want.Up == nil {
			want.Up = new(true)
		}
		if d := cmp.Diff(want, f.Links[0].LinkChange, compareAddr); d != "" {
			t.Errorf("%s (-sentence +file):\n%s", text, d)
		}
		if p := f.Links[0].Place; p.Line != 2 || p.Column != 11 {
			t.Errorf("%s: at %v", text, p)
		}
	}
}

// TestFileSaysEveryWord: each word of the sentence is a key, whatever words the
// sentence comes to have, and one with a "no" before it is true or false.
func TestFileSaysEveryWord(t *testing.T) {
	for w := range words.Known(false) {
		r := newFileReader()
		l := &linkReader{fileReader: r, parser: &linkParser{Sentence: words.NewSentence(nil, words.AnyFamily), known: words.Known(false)}}
		l.key(pair{key: &node{kind: scalarNode, text: w}, value: &node{kind: scalarNode, text: "1", plain: true}})
		for _, e := range r.all {
			if strings.Contains(e.Message, "unknown key") {
				t.Errorf("%s: %v", w, e)
			}
		}
		if l.parser.known["no"+w] == nil {
			continue
		}
		for value, said := range map[string]string{"true": w, "false": "no" + w} {
			f, err := readText(t, "links:\n  - name: vxlan0\n    id: 42\n    "+w+": "+value+"\n")
			want, werr := ParseLinkAdd([]string{"vxlan0", "id", "42", said, "up"}, words.AnyFamily)
			if err != nil || werr != nil {
				t.Errorf("%s: %s: %v, %v", w, value, err, werr)
			} else if d := cmp.Diff(want, f.Links[0].LinkChange, compareAddr); d != "" {
				t.Errorf("%s: %s (-sentence +file):\n%s", w, value, d)
			}
		}
	}
}

// TestFileSaysEveryValue: what a word says in the sentence it says in the file.
func TestFileSaysEveryValue(t *testing.T) {
	beside := map[string]string{ // what a word needs
		"gbpid": "gbp: true", "flowlabel": "local: '2001:db8::1'", "vlan": "trunk: trunk0", "trunk": "vlan: 7",
	}
	for _, w := range words.Table() {
		for _, value := range w.Samples {
			said := w.With(value)
			key, text := said[0], "'"+strings.Join(said[1:], " ")+"'"
			switch {
			case w.Command, w.Name == "name", w.Name == "id":
				continue
			case w.Flag() && len(said) == 1:
				key, text = w.Name, strconv.FormatBool(value == "on")
			case w.Name == "vlan" || w.List || len(said) > 2:
				text = "[" + strings.Join(said[1:], ", ") + "]"
			}
			more := beside[w.Name]
			f, err := readText(t, "ports: [{name: trunk0}]\nlinks:\n  - name: vxlan0\n    id: 42\n    "+more+"\n    "+key+": "+text+"\n")
			if err != nil {
				t.Errorf("%s: %s: %v", key, text, err)
				continue
			}
			sentence := "vxlan0 id 42 " + strings.Join(said, " ")
			if k, v, ok := strings.Cut(more, ": "); ok {
				sentence += " " + k + " " + strings.TrimPrefix(strings.Trim(v, "'"), "true")
			}
			want, err := ParseLinkAdd(strings.Fields(sentence), words.AnyFamily)
			if err != nil {
				t.Errorf("%s: %v", sentence, err)
				continue
			}
			if want.Up == nil {
				want.Up = new(true)
			}
			if d := cmp.Diff(want, f.Links[0].LinkChange, compareAddr); d != "" {
				t.Errorf("%s: %s (-sentence +file):\n%s", key, text, d)
			}
		}
	}
}

const contract = `
control: /run/uvtep/uvtep.sock
metrics: 127.0.0.1:9472
web: 127.0.0.1:9473
links:
  - name: vxlan42
    id: 42
    local: 192.0.2.1
    remotes: [192.0.2.2, peer3.example.net]     # names are resolved again on their TTL, at least every minute
    fdb:
      - {mac: "02:00:00:00:00:07", dst: 192.0.2.7, state: static}
      - mac: 00:00:00:00:00:00
        dst: 192.0.2.8
        port: 8472
        vni: 43
        via: eth0
      - {mac: 02:00:00:00:00:08, dst: 192.0.2.7, state: dynamic, extern_learn: true, router: true}
`

// TestTotalAddresses: the daemon's own maxaddress, in the form of vtep.Config.
func TestTotalAddresses(t *testing.T) {
	for text, want := range map[string]int{"": 0, "maxaddress: 7\n": 7, "maxaddress: unlimited\n": -1} {
		if f, err := readText(t, text+"links: []\n"); err != nil || f.MaxAddresses != want {
			t.Errorf("%q: %+v, %v", text, f, err)
		}
	}
}

// TestWeb: the status page may be on the control socket, too.
func TestWeb(t *testing.T) {
	if f, err := readText(t, "web: control\nlinks: []\n"); err != nil || f.Web != "control" {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestContract is interface.md's file, with more entries.
func TestContract(t *testing.T) {
	f, err := readText(t, contract)
	if err != nil {
		t.Fatal(err)
	}
	if f.Control != "/run/uvtep/uvtep.sock" || f.Metrics != "127.0.0.1:9472" || f.Web != "127.0.0.1:9473" || len(f.Links) != 1 {
		t.Fatalf("%+v", f)
	}
	l := f.Links[0]
	if d := cmp.Diff([]Host{{Addr: netip.MustParseAddr("192.0.2.2")}, {Name: "peer3.example.net"}}, l.Remotes, compareAddr); d != "" {
		t.Error(d)
	}
	var want []FileEntry
	for _, text := range []string{
		`{"dev":"vxlan42","mac":"02:00:00:00:00:07","dst":"192.0.2.7","state":"static"}`,
		`{"dev":"vxlan42","mac":"00:00:00:00:00:00","dst":"192.0.2.8","port":8472,"vni":43,"via":"eth0"}`,
		`{"dev":"vxlan42","mac":"02:00:00:00:00:08","dst":"192.0.2.7","state":"dynamic","extern_learn":true,"router":true}`,
	} {
		var e api.FDBEntry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		want = append(want, FileEntry{FDBEntry: e})
	}
	if d := cmp.Diff(want, l.FDB, compareAddr, cmpopts.IgnoreTypes(Place{})); d != "" {
		t.Error(d)
	}
	for _, empty := range []string{"", "# nothing\n", "links:\n", "links: []\n", "---\nlinks: []\n", "\ufefflinks: []\n", "links: []\r\n"} {
		if f, err := readText(t, empty); err != nil || len(f.Links) != 0 {
			t.Errorf("%q: %v, %v", empty, f, err)
		}
	}
}

// TestConfD: uvtep.yaml has conf.d beside it, in the order of names; another
// file has not.
func TestConfD(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*")
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	main := write("uvtep.yaml", "links:\n  - {name: a, id: 1}\n")
	alone := write("other.yaml", "links:\n  - {name: a, id: 1}\n")
	write("conf.d/20.yaml", "links:\n  - {name: c, id: 3}\n")
	write("conf.d/10.yaml", "links:\n  - {name: b, id: 2}\n")
	write("conf.d/30.yml", "banana")
	names := func(f *File) (names string) {
		for _, l := range f.Links {
			names += l.Name
		}
		return names
	}
	if f, err := ReadFile(main); err != nil || names(f) != "abc" {
		t.Fatalf("%v, %v", f, err)
	}
	if f, err := ReadFile(alone); err != nil || names(f) != "a" {
		t.Errorf("%v, %v", f, err)
	}
	second := write("conf.d/20.yaml", "control: /run/x\nlinks:\n  - {name: a, id: 3}\n  - {name: d, id: 2}\n")
	_, err := ReadFile(main)
	errs, _ := errors.AsType[FileErrors](err)
	if len(errs) != 3 || errs[0].Place != (Place{second, 1, 1}) || errs[1].Place != (Place{second, 3, 12}) || errs[2].Place != (Place{second, 4, 19}) {
		t.Errorf("%v", err)
	}
	if !strings.Contains(err.Error(), "write it in uvtep.yaml") || !strings.Contains(err.Error(), main+":2:12") {
		t.Errorf("%v", err)
	}
	_, err = ReadFile(filepath.Join(dir, "none.yaml"))
	if errs, ok := errors.AsType[FileErrors](err); !ok || !strings.HasPrefix(err.Error(), filepath.Join(dir, "none.yaml")+": cannot be read: ") || errs[0].Place.Line != 0 {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestAllMistakes: one reading tells of all, in the order of the lines.
func TestAllMistakes(t *testing.T) {
	_, err := readText(t, "links:\n  - name: a\n    id: x\n    ttl: 300\n    banana: 1\n  - name: b\n    id: 1\n    mtu: 1\n")
	errs, _ := errors.AsType[FileErrors](err)
	var lines []int
	for _, e := range errs {
		lines = append(lines, e.Place.Line)
	}
	if d := cmp.Diff([]int{3, 4, 5, 8}, lines); d != "" {
		t.Errorf("%s\n%v", d, err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(contract)
	for _, m := range mistakes() {
		f.Add(m.block().text)
	}
	for text := range brokenByHand() {
		f.Add(strings.ReplaceAll(text, "«", ""))
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := newFileReader()
		r.read("f", []byte(text), false)
		r.checkTogether()
		if err := r.result(); err != nil {
			for _, e := range r.all {
				if e.Place.Line < 1 || e.Place.Column < 1 || e.Message == "" || strings.Contains(e.Message, "\n") {
					t.Errorf("%q", e.Error())
				}
			}
			return
		}
		for _, l := range r.file.Links {
			c, err := control.LinkConfig(&l.LinkSpec)
			if err != nil || c.Validate() != nil {
				t.Errorf("the file was taken with a link that is refused: %+v: %v", l, err)
			}
			for _, e := range l.FDB {
				if _, err := control.Entry(&e.FDBEntry); err != nil {
					t.Errorf("the file was taken with an entry that is refused: %+v: %v", e, err)
				}
			}
		}
	})
}

// TestDocs: the files that the documents show are files.
func TestDocs(t *testing.T) {
	for _, name := range []string{"../../README.md", "../../docs/config.md"} {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(doc), "```yaml\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s shows no file", name)
		}
		for _, block := range blocks {
			text, _, _ := strings.Cut(block, "```")
			if f, err := readText(t, text); err != nil || len(f.Links) == 0 {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
}
