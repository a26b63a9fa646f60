// Package bugreport makes one archive of what somebody who is to find a fault has to know, and
// keeps secrets out of it.
package bugreport
