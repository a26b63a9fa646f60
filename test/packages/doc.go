// Package packages tests what is installed: the .deb and the .rpm on a system of their own, which a real systemd runs, from
// the first start to the purge; the container's image; OpenWrt's script.
package packages
