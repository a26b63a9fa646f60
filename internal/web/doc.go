// Package web is the status page: what `uvtep status` tells, for a browser. It reads, and changes
// nothing: behind it are a look at the links that is at most a second old, whoever asks and how often,
// and searches in the forwarding databases, one at a time. While nobody asks, nothing is done.
package web
