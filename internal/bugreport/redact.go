package bugreport

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// secretKey are keys whose values are secrets, whoever's: a key that does not exist yet is
// among them by its name. fileKey are those whose value is the path of a file with a secret.
// userInfo is the password in a URL.
var (
	secretKey = regexp.MustCompile(`(?i)pass|secret|token|credential|community|^psk$|(^|[-_])(auth|key)([-_]|$)`)
	fileKey   = regexp.MustCompile(`(?i)[-_]?(file|path)$`)
	userInfo  = regexp.MustCompile(`(://[^/@:\s]*:)([^/@\s]+)@`)
)

// Configuration adds a configuration file without its secrets: values of keys that tell of one,
// and comments, which may tell anything. What files with secrets have is hidden in all later
// parts. A file that cannot be read as YAML is left out.
func (a *Archive) Configuration(name, file string) {
	about := "configuration file " + file + ", without comments and secrets"
	b, err := os.ReadFile(file)
	if err != nil {
		a.Missing(name, about, err)
		return
	}
	var docs bytes.Buffer
	out := yaml.NewEncoder(&docs)
	in := yaml.NewDecoder(bytes.NewReader(b))
	for n := 0; ; n++ {
		var doc yaml.Node
		err := in.Decode(&doc)
		if err != nil && n > 0 && err.Error() == "EOF" {
			break
		}
		if err != nil {
			a.Missing(name, about, fmt.Errorf("it is no YAML, so that its secrets cannot be told from the rest: see uvtep config check %s", file))
			return
		}
		a.redact(&doc, false)
		if err := out.Encode(&doc); err != nil {
			a.Missing(name, about, err)
			return
		}
	}
	a.Add(name, about, docs.Bytes())
}

// redact takes the secrets out of a node; secret: all that it holds is one.
func (a *Archive) redact(n *yaml.Node, secret bool) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			a.redact(key, false)
			hides := secret || secretKey.MatchString(key.Value)
			if hides && fileKey.MatchString(key.Value) && value.Kind == yaml.ScalarNode {
				a.hideFile(value.Value)
				hides = false
			}
			a.redact(value, hides)
		}
	case yaml.ScalarNode:
		if secret {
			a.Hide(n.Value)
			*n = yaml.Node{Kind: yaml.ScalarNode, Value: removed}
			return
		}
		for _, m := range userInfo.FindAllStringSubmatch(n.Value, -1) {
			a.Hide(m[2])
		}
		n.Value = userInfo.ReplaceAllString(n.Value, "${1}"+removed+"@")
	case yaml.AliasNode: // what it stands for is somewhere else in the file
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, c := range n.Content {
			a.redact(c, secret)
		}
	}
}

// hideFile hides what a file has, line by line.
func (a *Archive) hideFile(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return // who may not read the secret cannot give it away
	}
	for line := range strings.Lines(string(b)) {
		a.Hide(line)
	}
}
