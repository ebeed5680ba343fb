*** Test Cases ***
Cart Is Empty
    Should Be Empty    ${EMPTY}

Cart Is Full
    Fail    no <room> left

Cart Is Closed
    Skip    on sundays
