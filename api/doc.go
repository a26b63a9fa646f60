// Package api has the types of the control API's JSON, which docs/openapi.yaml describes,
// and the errors of its codes. Package client sends requests with them, and package control
// answers.
//
// They are separate from the types of package vtep, so that either can change without the
// other. Their keys, in JSON and in the configuration file, are the words of iproute2. The
// daemon validates the values.
package api
