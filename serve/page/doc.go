// Package page serves the pages of a service to browsers: that of its runs, and the lecture.
//
// Pages are files of static, plain modules without a build step, and load nothing from elsewhere. What
// they show they ask of the API of the service, with the token that the reader gives them. static/ui is
// what pages share:
//
//	ui.css       colours, sizes and the looks of controls; light and dark
//	boot.js      theme and language before the first paint
//	shell.js     the bar above a page; the switches of theme and language
//	lang.js      texts in English and Chinese, by keys
//	dom.js       elements in one expression
//	tex.js       equations as MathML
//	api.js       requests, and the token
//	controls.js  sliders that play, choices, switches
//	plane.js     a picture of the plane: densities, points, arrows, lines
//	colors.js    the colours of pictures, and a scale that reads without colour
//	chart.js     charts of curves, by uPlot (static/vendor)
package page
