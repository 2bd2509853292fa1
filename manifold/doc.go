// Package manifold has the curved state spaces: the points on which a flow may live
// beside those of R^d.
//
// There are only a few types: [Manifold] is a space with its geodesics; [Sphere], [Torus],
// [SO3], [Poincare], [SPD], [Euclidean] and [Product] are those that come with the package;
// [Law] is a distribution on one, such as [Uniform] and [Normal]; [Field] keeps a velocity
// field tangent; [Steps] is what a solver needs; [Config] is the `space:` section of a run
// file, and [Space] what it makes.
//
// A point is a row of D numbers in the space around the manifold: a unit vector, the cosine
// and sine of each angle, a matrix. So a network sees no seam where an angle wraps, and a
// tangent vector is D numbers too. Densities are with respect to the Riemannian volume, in
// nats: of the unit sphere and of angles in radians.
//
// Sources: Chen and Lipman, "Flow matching on general geometries" (arXiv 2302.03660), for
// the training; do Carmo, "Riemannian geometry", for the rest.
package manifold
