// Package reliability holds tests only: promises of docs/reliability.md that take hosts, faults and traffic at once, each
// short enough for every run of the tests.
package reliability
