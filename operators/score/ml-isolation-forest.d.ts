declare module 'ml-isolation-forest' {
  /** An inner node has both children and a split; a leaf has the rows that ended in it. */
  interface TreeNode {
    readonly left?: TreeNode
    readonly right?: TreeNode
    readonly splitColumn?: number
    readonly splitValue?: number
    readonly trainingSet?: readonly (readonly number[])[]
  }
  export class IsolationForest {
    readonly forest: readonly TreeNode[]
    constructor(options: { nEstimators: number })
    train(rows: readonly (readonly number[])[]): void
  }
}
