// Package status says in one screen how a daemon does, and whether that is well: from two
// looks at it, some time apart, so that rates and what goes wrong now are seen. It asks
// nothing itself and knows nothing but what the control API tells.
package status
