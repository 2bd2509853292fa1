// Package tfevents writes the event files that TensorBoard reads.
//
// There are only a few types: [Writer] is a file that grows by an event at a time;
// [Value] is a number or a picture under a tag.
//
// A file is a sequence of records as TFRecord frames them: the length as 8 bytes, its
// masked CRC-32C, the bytes, and theirs. A record is a protocol buffer Event, of which
// the fields used here are (tensorflow/core/util/event.proto, framework/summary.proto):
//
//	Event       1 double wall_time, 2 int64 step, 3 string file_version, 5 Summary, 7 SessionLog
//	Summary     1 repeated Value
//	Value       1 string tag, 2 float simple_value, 4 Image
//	Image       1 height, 2 width, 3 colorspace, 4 bytes encoded_image_string
//	SessionLog  1 status, of which 1 is START
//
// # Caveats
//
// A process killed in the middle of a record leaves a part of it, which readers take
// for the end of the file. The lines are our own because no Go library that is looked
// after writes such files; the wire format is that of the protobuf module.
package tfevents
