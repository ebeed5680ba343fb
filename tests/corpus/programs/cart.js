'use strict'

function add(cart, item) {
  if (!item) {
    throw new Error('nothing')
  }
  var unused = 1
  return [...cart, item]
}

module.exports = { add }
