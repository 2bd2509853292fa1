// Package serve answers requests for samples and log-densities of trained runs, over HTTP.
//
// Requests that can share a solve do (queue.go): each point has steps of its own, so that on the native
// backend what a request gets is a function of its seed alone, whatever it was solved with. What waits
// is bounded, and more is refused (429). A run whose checkpoint is replaced is taken up between two
// solves; if it cannot be read, the one before stays.
//
// Browsers get pages (package page), among them a lecture whose pictures package lecture computes.
//
// The paths and bodies are described by an OpenAPI document that the server makes of its own handlers.
package serve
