package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

const (
	// completeTime is how long a shell waits for the daemon.
	completeTime = time.Second
	// mostLooked is how many entries of the FDB are looked at for what may come next.
	mostLooked = 10000
)

// completeCommand is the command by which shells ask what may come next (cobra.ShellCompRequestCmd), or begins it.
const completeCommand = "__complete"

// offers are what may come next in a command line, of which a part may be typed.
type offers struct {
	ctx    context.Context //nolint:containedctx // of the one command line that is completed
	client *client.Client
	args   []string // the words before
	typed  string
	list   []cobra.Completion
	files  cobra.ShellCompDirective // whether the shell offers files, too
}

// offer adds a word that begins as what is typed.
func (o *offers) offer(word, about string) {
	if strings.HasPrefix(word, o.typed) && plain(word) && !slices.ContainsFunc(o.list, func(c string) bool { return c == word || strings.HasPrefix(c, word+"\t") }) {
		o.list = append(o.list, cobra.CompletionWithDesc(word, about))
	}
}

func (o *offers) words(all ...string) {
	for _, w := range all {
		o.offer(w, "")
	}
}

// plain reports whether a shell takes the word as it is. The names of links are those of whoever
// made them, and could be more to a shell than a name.
func plain(word string) bool {
	return word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_@/+%,") == ""
}

// links are the daemon's links. An error offers nothing: a shell has nowhere to print it.
func (o *offers) links() []api.Link {
	links, err := o.client.Links(o.ctx)
	if err != nil {
		return nil
	}
	return links
}

func (o *offers) linkNames() {
	for _, l := range o.links() {
		o.offer(l.Spec.Name, "VNI "+vniText(l.Spec.ID))
	}
}

func (o *offers) vnis() {
	for _, l := range o.links() {
		if l.Spec.ID != nil {
			o.offer(vniText(l.Spec.ID), l.Spec.Name)
		}
	}
}

func vniText(vni *uint32) string {
	if vni == nil {
		return ""
	}
	return strconv.FormatUint(uint64(*vni), 10)
}

func (o *offers) portNames() {
	ports, err := o.client.Ports(o.ctx)
	if err != nil {
		return
	}
	for _, p := range ports {
		o.offer(p.Spec.Name, "trunk port")
	}
}

// entries calls fn with entries of the daemon's FDB, of the link that the words before name with dev.
func (o *offers) entries(fn func(*api.FDBEntry)) {
	list, err := o.client.ListFDB(o.ctx, api.FDBFilter{Dev: o.dev()})
	if err != nil {
		return
	}
	defer func() { _ = list.Close() }() // what was not read is of no interest
	for range mostLooked {
		e, err := list.Next()
		if err != nil {
			return
		}
		fn(&e)
	}
}

// dev is the link that the words before name.
func (o *offers) dev() string {
	if n := slices.Index(o.args, "dev"); n >= 0 && n+1 < len(o.args) {
		return o.args[n+1]
	}
	return ""
}

func (o *offers) macs() {
	o.entries(func(e *api.FDBEntry) { o.offer(e.MAC, e.Dev) })
}

func (o *offers) remotes() {
	o.entries(func(e *api.FDBEntry) {
		if e.Dst.IsValid() {
			o.offer(e.Dst.String(), e.Dev)
		}
	})
}

// devices are the netdevs of this network namespace.
func (o *offers) devices() {
	all, err := net.Interfaces()
	if err != nil {
		return
	}
	for i := range all {
		o.offer(all[i].Name, "")
	}
}

// namespaces are the network namespaces that have a name.
func (o *offers) namespaces() {
	dir, err := os.Open(netnsDir)
	if err != nil {
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(mostLooked)
	if err != nil && !errors.Is(err, io.EOF) {
		return
	}
	slices.Sort(names)
	o.words(names...)
}

// completion makes a function of cobra's of what to offer.
func (a *app) completion(next func(*offers)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, stop := context.WithTimeout(cmd.Context(), completeTime)
		defer stop()
		path := a.control
		if a.netns != "" && !cmd.Flags().Changed("control") {
			path = netnsSocket(a.netns)
		}
		o := &offers{ctx: ctx, client: client.New(path), args: args, typed: typed, files: cobra.ShellCompDirectiveNoFileComp}
		defer o.client.Close()
		next(o)
		return o.list, o.files
	}
}

// unfinished gives a command line that a shell completes the form that normalise gives others: the commands before the
// last word may be cut short, the options be those of iproute2. What is no command line yet stays as it is.
func unfinished(args []string) []string {
	if len(args) < 2 {
		return args
	}
	last := len(args) - 1
	flags, words, err := splitOptions(args[1:last])
	if err != nil || len(words) == 0 {
		return args
	}
	expanded, err := expandCommand(words)
	if err != nil {
		return args
	}
	n := min(len(words), len(expanded))
	if i := slices.Index(expanded, "--"); i >= 0 {
		expanded = slices.Delete(expanded, i, i+1)
		n = min(len(words), len(expanded)) // `link` alone means `link show`, which is not typed yet
	}
	return slices.Concat(args[:1], flags, expanded[:n], args[last:])
}
