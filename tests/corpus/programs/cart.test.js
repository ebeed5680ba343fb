// For mocha, jest, vitest, jasmine: the globals that they share.
const { add } = require('./cart.js')

describe('cart <of the shop>', () => {
  it('takes an item', () => {
    if (add([], 'pear').length !== 1) throw new Error('lost')
  })
  it('fails with café & ]]>', () => {
    add([], '')
  })
})
