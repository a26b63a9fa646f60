package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/internal/words"
)

// rule says what may stand in the words of a command.
type rule struct {
	first  func(*offers)            // instead of the first word; nil: a word
	name   bool                     // the first word is a new name
	words  func(*offers)            // what may stand anywhere
	values map[string]func(*offers) // what follows a word; words that are not in it have no value
}

func (r *rule) next(o *offers) {
	if n := len(o.args); n > 0 {
		if value, ok := r.values[o.args[n-1]]; ok {
			value(o)
			return
		}
	} else if r.name {
		return
	} else if r.first != nil {
		r.first(o)
	}
	if r.words == nil || len(o.args) == 0 && r.first != nil && len(o.list) > 0 {
		return
	}
	before := len(o.list)
	r.words(o)
	o.list = append(o.list[:before], slices.DeleteFunc(o.list[before:], func(c string) bool {
		word, _, _ := strings.Cut(c, "\t")
		return slices.Contains(o.args, word)
	})...)
}

// some are words that may follow.
func some(all ...string) func(*offers) { return func(o *offers) { o.words(all...) } }

// free is a value that nobody knows before.
func free(*offers) {}

func files(o *offers) { o.files = cobra.ShellCompDirectiveDefault }

func directories(o *offers) { o.files = cobra.ShellCompDirectiveFilterDirs }

// completes gives each command what it offers.
func (a *app) completes(root *cobra.Command) {
	dev := map[string]func(*offers){"dev": (*offers).linkNames}
	rules := commandRules()
	var each func(cmd *cobra.Command, path string)
	each = func(cmd *cobra.Command, path string) {
		if r, ok := rules[path]; ok {
			cmd.ValidArgsFunction = a.completion(r.next)
		} else if !cmd.HasSubCommands() && cmd.ValidArgsFunction == nil {
			r := rule{values: dev}
			cmd.ValidArgsFunction = a.completion(r.next)
		}
		for _, c := range cmd.Commands() {
			each(c, strings.TrimSpace(path+" "+c.Name()))
		}
		for flag, next := range map[string]func(*offers){
			"netns": (*offers).namespaces, "control": files, "config": files, "socket": files, "batch": files, "state": directories,
			"metrics": free, "web": some("control"), "maxaddress": free, "spin": free, "overlay": free, "interval": free,
			"no-offload": some("tap", "udp-gso", "udp-gro", "filter"), "to": some("iproute2"),
		} {
			if cmd.LocalFlags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, a.completion(next)) // which says whether there is such an option
			}
		}
	}
	each(root, "")
}

// commandRules are the rules by command.
func commandRules() map[string]rule {
	link, entry, filter := linkValues(), entryValues(), entryValues()
	filter["state"], filter["br"], filter["brport"] = some("permanent", "static", "dynamic"), (*offers).devices, (*offers).linkNames
	show := map[string]func(*offers){"dev": (*offers).linkNames, "master": (*offers).devices, "type": some("vxlan"), "group": some("default")}
	states := some("dev", "dst", "port", "vni", "src_vni", "via", "permanent", "static", "dynamic", "nopermanent", "nostatic", "nodynamic",
		"extern_learn", "noextern_learn", "router", "norouter", "owner")
	change := rule{first: (*offers).macs, values: entry, words: some("dev", "dst", "port", "vni", "via", "src_vni", "permanent", "static", "dynamic",
		"extern_learn", "router", "noflood", "self", "master")}
	add := change
	add.first = func(o *offers) { o.offer("00:00:00:00:00:00", "flooded frames"); o.macs() }
	link["type"] = some("vxlan")
	return map[string]rule{
		"run":          {name: true, words: linkWords, values: link},
		"link add":     {name: true, words: linkWords, values: link},
		"link set":     {first: (*offers).linkNames, words: linkWords, values: link},
		"link del":     {first: (*offers).linkNames},
		"link show":    {first: (*offers).linkNames, words: some("dev", "up", "master", "nomaster", "group", "type"), values: show},
		"port add":     {name: true, words: some("trunk", "mtu", "address", "queues", "persist", "user", "group-owner"), values: link},
		"port set":     {first: (*offers).portNames, words: some("up", "down", "mtu", "address", "persist", "nopersist", "user", "group-owner"), values: link},
		"port del":     {first: (*offers).portNames},
		"port show":    {first: (*offers).portNames},
		"fdb add":      add,
		"fdb append":   add,
		"fdb replace":  add,
		"fdb del":      change,
		"fdb get":      {first: (*offers).macs, words: some("dev"), values: entry},
		"fdb show":     {words: func(o *offers) { states(o); o.words("br", "brport", "state", "local") }, values: filter},
		"fdb flush":    {words: states, values: filter},
		"config check": {words: files},
		"evpn check":   {words: files},
		"import":       {},
		"export":       {words: (*offers).linkNames},
		"monitor":      {words: some("link", "fdb", "local", "drop", "all", "dev"), values: show},
		"ping":         {first: (*offers).remotes, words: some("dev"), values: show},
		"evpn show":    {words: some("neighbor", "vni", "mac", "neigh", "route", "duplicate", "dev"), values: show},
		"evpn clear":   {words: some("neighbor", "duplicate", "dev"), values: show},

		"import iproute2": {words: files}, "import netdev": {words: files}, "import ifupdown2": {words: files},
		"import netplan": {words: files}, "import nm": {words: files},
	}
}

// linkWords are the words of the link sentence.
func linkWords(o *offers) {
	for _, w := range words.Table() {
		if w.Name == "proxylearn" { // proxy learn
			continue
		}
		o.offer(w.Name, w.About)
		if off := w.Off(); off != "" {
			o.offer(off, "not "+w.Name)
		}
	}
}

// linkValues are the values of the link sentence's words.
func linkValues() map[string]func(*offers) {
	values := map[string]func(*offers){}
	for _, w := range words.Table() {
		if w.Flag() || w.Arg == "" {
			continue
		}
		next := free
		if choices := strings.FieldsFunc(w.Arg, func(r rune) bool { return r == '|' || r == '[' || r == ',' }); len(choices) > 1 {
			next = some(slices.DeleteFunc(choices, func(c string) bool { return c != strings.ToLower(c) })...)
		}
		for _, form := range append([]string{w.Name}, w.Aliases...) {
			values[form] = next
		}
	}
	maps.Copy(values, map[string]func(*offers){
		"id": (*offers).vnis, "vni": (*offers).vnis, "remote": (*offers).remotes, "dev": (*offers).devices, "master": (*offers).devices,
		"trunk": (*offers).portNames,
	})
	return values
}

// entryValues are the values of the words of an FDB entry and of a filter.
func entryValues() map[string]func(*offers) {
	return map[string]func(*offers){
		"dev": (*offers).linkNames, "dst": (*offers).remotes, "vni": (*offers).vnis, "src_vni": (*offers).vnis, "via": (*offers).devices,
		"port": free, "vlan": free, "owner": free,
	}
}
