module github.com/uvtep/uvtep/test/gobgp

go 1.26.0

require (
	github.com/osrg/gobgp/v4 v4.8.0
	github.com/uvtep/uvtep v0.0.0
)

require golang.org/x/sys v0.49.0 // indirect

replace github.com/uvtep/uvtep => ../..
