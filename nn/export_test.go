package nn

// ReadBack is for tests of other packages' files.
var ReadBack = readBack
