// Package api is what travels between a uvtep daemon and those who ask it: the
// types of the control API's JSON, which docs/openapi.yaml describes, and the
// errors that its codes stand for. Package client asks with them, package control
// answers.
//
// They are kept apart from the core's types, so that either can change without the
// other. Their keys, in JSON and in the configuration file, are the words that
// iproute2's users know. What may be in them is the daemon's to judge.
package api
