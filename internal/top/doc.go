// Package top is what `uvtep top` shows: a model that takes looks at a daemon, keys and the
// terminal's size, and draws screens. It asks nobody and knows no terminal, so that tests play
// it without either.
package top
