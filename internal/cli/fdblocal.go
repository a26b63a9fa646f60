package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
)

// localWord is the word of `fdb show` that stands for the addresses on this side.
const localWord = "local"

// fdbShowLocal prints the addresses on this side of links with learnlocal.
func (a *app) fdbShowLocal(cmd *cobra.Command, args []string) error {
	args = slices.DeleteFunc(slices.Clone(args), func(word string) bool { return word == localWord })
	filter, err := config.ParseFDBShow(args, a.family())
	if err != nil {
		return err
	}
	if only := (api.FDBFilter{Dev: filter.Dev}); fmt.Sprint(filter) != fmt.Sprint(only) {
		return usagef("fdb show local has no other filter than dev NAME")
	}
	return a.withClient(func(c *client.Client) error {
		all, err := c.Local(cmd.Context(), api.LocalFilter{Dev: filter.Dev})
		if err != nil {
			return err
		}
		return a.showLocal(all, filter.Dev == "")
	})
}

// showLocal prints addresses on this side, with their links where device says so.
func (a *app) showLocal(all []api.LocalEntry, device bool) error {
	if a.json {
		j := newJSON(a.out, a.pretty)
		j.array("", func() {
			for i := range all {
				j.object("", func() { a.localJSON(j, &all[i], device) })
			}
		})
		return j.end()
	}
	w := bufio.NewWriter(a.out)
	for i := range all {
		a.localText(w, &all[i], device)
	}
	return errors.Join(w.Flush())
}

// localText prints an address on this side as a line, as an entry is printed.
func (a *app) localText(w io.Writer, e *api.LocalEntry, device bool) {
	fmt.Fprint(w, e.MAC, " ")
	if device {
		fmt.Fprintf(w, "dev %s ", e.Dev)
	}
	if e.IP.IsValid() {
		fmt.Fprintf(w, "ip %v ", e.IP)
	}
	if a.statistics > 0 {
		fmt.Fprintf(w, "updated %d ", e.Updated)
	}
	for _, flag := range localFlags(e) {
		fmt.Fprint(w, flag, " ")
	}
	fmt.Fprintln(w, localWord)
}

func localFlags(e *api.LocalEntry) []string {
	flags := []string{"self"}
	if e.Router {
		flags = append(flags, "router")
	}
	if e.Contested {
		flags = append(flags, "contested")
	}
	if e.Sticky {
		flags = append(flags, "sticky")
	}
	return flags
}

func (a *app) localJSON(j *jsonWriter, e *api.LocalEntry, device bool) {
	j.value("mac", e.MAC)
	if device {
		j.value("ifname", e.Dev)
	}
	if e.IP.IsValid() {
		j.value("ip", e.IP.String())
	}
	if a.statistics > 0 {
		j.value("updated", e.Updated)
	}
	j.strings("flags", localFlags(e))
	j.value("state", localWord)
}
