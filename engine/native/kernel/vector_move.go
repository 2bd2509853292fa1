package kernel

// smallCols is below which a row is copied element by element, at levels
// without cheap masks.
const smallCols = 8

func (p *primitives) copyMatrix(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	switch {
	case rows == 0 || cols == 0:
	case rows == 1 || ds == cols && ss == cols:
		copy(slice(dst, rows*cols), slice(src, rows*cols))
	case cols <= 4:
		copyThin(rows, cols, dst, ds, src, ss)
	case cols < smallCols && !p.wide:
		copyRowsGo(rows, cols, dst, ds, src, ss)
	default:
		p.copyRows(rows, cols, dst, ds, src, ss)
	}
}

// copyThin copies rows of up to four elements as one or two words. It counts
// elements: a pointer that walks would end past the array.
func copyThin(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	d, s := 0, 0
	switch cols {
	case 1:
		for range rows {
			*at(dst, d) = *at(src, s)
			d, s = d+ds, s+ss
		}
	case 2:
		for range rows {
			*as[uint64](at(dst, d)) = *as[uint64](at(src, s))
			d, s = d+ds, s+ss
		}
	case 3:
		for range rows {
			x, y := at(dst, d), at(src, s)
			*as[uint64](x), *at(x, 2) = *as[uint64](y), *at(y, 2)
			d, s = d+ds, s+ss
		}
	case 4:
		for range rows {
			*as[[2]uint64](at(dst, d)) = *as[[2]uint64](at(src, s))
			d, s = d+ds, s+ss
		}
	}
}

func (p *primitives) addMatrix(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	switch {
	case rows == 0 || cols == 0:
	case ds == cols && ss == cols:
		p.addRows(1, rows*cols, dst, 0, src, 0)
	case cols < smallCols && !p.wide:
		addRowsGo(rows, cols, dst, ds, src, ss)
	default:
		p.addRows(rows, cols, dst, ds, src, ss)
	}
}

func (p *primitives) expandTo(rows, cols int, dst, v *float32) {
	switch {
	case rows == 0 || cols == 0:
	case cols == 1:
		copy(slice(dst, rows), slice(v, rows))
	case cols <= 4:
		n := rows &^ 15
		p.expand[cols](n, dst, v)
		if n < rows {
			expandRowsGo(rows-n, cols, at(dst, n*cols), cols, at(v, n), 1)
		}
	case cols < smallCols && !p.wide:
		expandRowsGo(rows, cols, dst, cols, v, 1)
	default:
		p.expandRows(rows, cols, dst, cols, v, 1)
	}
}

// tileBlock is how many elements tile makes by doubling before it repeats them
// as a block: few enough to stay in the first cache.
const tileBlock = 2048

func tile(rows, cols int, dst, v *float32) {
	n := rows * cols
	if n == 0 {
		return
	}
	d := slice(dst, n)
	done := copy(d, slice(v, cols))
	for done < n && done < tileBlock {
		done += copy(d[done:], d[:done])
	}
	for block := done; done < n; {
		done += copy(d[done:], d[:block])
	}
}

func (p *primitives) transposeMatrix(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	switch {
	case rows == 0 || cols == 0:
	case rows == 1:
		p.copyMatrix(cols, 1, dst, ds, src, 1)
	case cols == 1:
		p.copyMatrix(rows, 1, dst, 1, src, ss)
	default:
		for r := 0; r < rows; r += p.lanes {
			p.transpose(min(p.lanes, rows-r), cols, at(dst, r), ds, at(src, r*ss), ss)
		}
	}
}
