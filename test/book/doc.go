// Package book reads the pages of docs/ as far as tests need it: their blocks, and who runs each
// of them. Its tests are a reader with three hosts in network namespaces: they type the commands
// of the pages, and make the faults that docs/troubleshooting.md names.
//
// Above each block of a page stands an HTML comment, which readers do not see:
//
//	<!-- run: a -->                      a shell of host a runs it, line by line; each line has to succeed
//	<!-- file: a /etc/uvtep/x.yaml -->   it is a file of host a
//	<!-- prints -->                      what the block before has printed: these lines in this order, others between
//	                                     them; ... stands for any text
//	<!-- run by: test/fleet -->          the tests of that package run it
//	<!-- not run: WHY -->                nobody does
//
// Two more stand wherever they are needed:
//
//	<!-- given: a LINE -->               what the page takes for granted: host a has run that line
//	<!-- new hosts -->                   what follows begins on hosts on which nothing was done
//
// The hosts are a, b and c, at 192.0.2.1, .2 and .3 of one Ethernet segment, on their device eth0.
package book
