// Package packages tests what is installed: the .deb on a Debian system of its own, which a real systemd runs, from the
// first start to the purge.
package packages
