@{
    Severity     = @('Error', 'Warning')

    ExcludeRules = @(
        # The scripts here talk to a person at a terminal; the module itself has none.
        'PSAvoidUsingWriteHost'
        # Does not see that a function uses a parameter of its script.
        'PSReviewUnusedParameter'
        # Does not see that an It uses a variable of its BeforeAll.
        'PSUseDeclaredVarsMoreThanAssignments'
        # The tests' helpers start and stop programs; nobody asks them -WhatIf.
        'PSUseShouldProcessForStateChangingFunctions'
    )

    Rules        = @{
        PSUseConsistentIndentation = @{ Enable = $true; IndentationSize = 4 }
        PSUseConsistentWhitespace  = @{ Enable = $true; IgnoreAssignmentOperatorInsideHashTable = $true }
        PSUseCorrectCasing         = @{ Enable = $true }
        PSAvoidTrailingWhitespace  = @{ Enable = $true }
    }
}
