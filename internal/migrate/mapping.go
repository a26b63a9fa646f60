package migrate

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v3"

	"github.com/uvtep/uvtep/encap"
)

// mapping is a mapping of the configuration file, in the order in which it is
// written.
type mapping []keyValue

type keyValue struct {
	key   string
	value any
}

// MarshalYAML implements [yaml.Marshaler].
func (m mapping) MarshalYAML() (any, error) {
	out := &yaml.Node{Kind: yaml.MappingNode}
	var all error
	for _, kv := range m {
		key, value := &yaml.Node{}, &yaml.Node{}
		all = errors.Join(all, key.Encode(kv.key), value.Encode(kv.value))
		if text, ok := kv.value.(string); ok && isMAC(text) {
			value.Style = 0 // the library quotes what YAML 1.1 takes for a number of base 60, which the daemon does not
		}
		out.Content = append(out.Content, key, value)
	}
	return out, all
}

func isMAC(text string) bool {
	_, err := encap.ParseMAC(text)
	return err == nil
}

// marshal is the file of links.
func marshal(links []mapping) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent()
	err := errors.Join(e.Encode(mapping{{"links", links}}), e.Close())
	return b.Bytes(), err
}
