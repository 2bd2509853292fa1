// Package flowtest holds what the tests of several rooms need: conformance
// suites and problems with known answers.
//
// There are only a few types: [FieldOptions] says where [TestField] looks;
// [Linear] is a velocity field whose flow is a matrix exponential; [Named] is a
// schedule with its name. [TestScheduler], [TestField], [TestCoupling] and [TestManifold]
// are the suites: a new schedule, field, coupling or manifold earns its tests with one line.
//
// # Caveats
//
// The package imports testing and belongs in tests only.
package flowtest
