package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// TestPictures: the pictures are those that the command draws, and well-formed.
func TestPictures(t *testing.T) {
	for name, svg := range pictures() {
		if have, err := os.ReadFile(name); err != nil || string(have) != svg {
			t.Errorf("%s is not what the command draws: go run ./docs/pictures (%v)", name, err)
		}
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}
