// Package run is a training run on disk: one folder that holds everything
// needed to reproduce it, to go on with it and to use what it learnt.
//
// There are only a few types: [Config] is the run file, complete; [Run] is an
// opened folder with its model and data, which [flowmatch/eval] measures.
//
// A run's folder holds run.yaml (the Config with every default filled in),
// versions.json, metrics.jsonl (one line a log step), checkpoint.safetensors
// (the latest state) and, where early stopping is on, best.safetensors (the
// state of the lowest validation loss); samples-STEP.png and the folder tensorboard
// where train.sample_every and train.tensorboard ask for them.
//
// # Caveats
//
// One process at a time may train in a folder; the files are replaced
// atomically, so reading it meanwhile is safe.
package run
