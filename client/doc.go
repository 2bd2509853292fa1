// Package client asks a service of flowmatch for samples, log-densities and imputed rows.
//
// There are a few types: a [Client], requests such as [SampleRequest], answers such as [Samples], and an
// [Error] of what the service refuses. A request that finds the queue full is sent again, at the time that
// the service says. The package needs nothing but the standard library.
package client
