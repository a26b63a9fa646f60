package reload

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/vtep"
)

// applyPorts brings the ports in line with the file: it removes, makes and
// changes them.
func (k *Keeper) applyPorts() error {
	var all error
	wanted := make(map[string]bool, len(k.file.Ports))
	for i := range k.file.Ports {
		wanted[k.file.Ports[i].Name] = true
	}
	exists := make(map[string]bool)
	for _, t := range k.backend.Trunks() {
		exists[t.Config.Name] = true
	}
	// A port of the file that somebody deleted is made again.
	maps.DeleteFunc(k.ports, func(name string, _ config.FilePort) bool { return !exists[name] })
	for _, name := range slices.Sorted(maps.Keys(k.ports)) {
		if wanted[name] {
			continue
		}
		was := k.ports[name]
		if err := k.backend.DelTrunk(name); err != nil && !errors.Is(err, vtep.ErrNoPort) {
			all = errors.Join(all, fmt.Errorf("%s: port %s: %w", was.Place, name, err))
			continue
		}
		delete(k.ports, name)
	}
	for i := range k.file.Ports {
		is := &k.file.Ports[i]
		if err := k.applyPort(is, exists[is.Name]); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: port %s: %w", is.Place, is.Name, err))
			continue
		}
		k.ports[is.Name] = *is
	}
	return all
}

// applyPort makes a port, or changes what the file says otherwise of it than before.
func (k *Keeper) applyPort(is *config.FilePort, exists bool) error {
	c, err := control.TrunkConfig(&is.PortSpec)
	if err != nil {
		return err
	}
	was := k.ports[is.Name]
	switch {
	case !exists:
		err = k.backend.AddTrunk(c)
	case reflect.DeepEqual(was.PortSpec, is.PortSpec):
	default:
		var before vtep.TrunkConfig
		if err = control.ApplyPort(&was.PortSpec, &before); err == nil {
			err = k.backend.UpdateTrunk(is.Name, func(now *vtep.TrunkConfig) error {
				merge(now, &before, &c)
				return nil
			})
		}
	}
	if err == nil && (!exists || was.Up == nil || *was.Up != *is.Up) {
		err = k.backend.SetTrunkUp(is.Name, *is.Up)
	}
	return err
}
