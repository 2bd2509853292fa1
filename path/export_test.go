package path

// Forget takes schedules out of the registry, so that tests can run in any order and
// more than once.
func Forget(names ...string) {
	registry.Lock()
	defer registry.Unlock()
	for _, n := range names {
		delete(registry.makers, n)
	}
}
