"""What must be right before locking, and at any time after: facts gathered, then judged.

`checks` judges and touches nothing; `facts` asks DNS, the store, next hops and the machine, each within its time.
"""
