// Package arch holds the rules of the house, as tests over its source.
//
// There are only a few types, all of them in the tests: a tree is the parsed
// source, a rule is a function from it to the violations it finds, each with its
// file and line. The policy (which room may import which, and which library is
// used where and why) is data in policy_test.go.
//
// # Caveats
//
// The policy is a statement of intent. It is changed when the plan of the house
// changes, not to make a build pass. Files of all build tags are read, so the
// rules also hold for code that this machine does not compile.
package arch
