// Package ethtool reads which features network devices have (ethtool -k), by the ioctl, which any
// socket takes for the devices of its network namespace.
package ethtool
