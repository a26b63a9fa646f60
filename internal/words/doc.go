// Package words has the words of the link sentence, `uvtep link add NAME type
// vxlan WORDS`, one row each, and how sentences are read.
package words
