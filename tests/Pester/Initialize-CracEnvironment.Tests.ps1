BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

Describe "Initialize-CracEnvironment$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        Import-Module "$PSScriptRoot/Support.psm1"
        $null = Enter-CracTest
        $had = (Test-CracEnvironment | Where-Object Name -EQ 'feature cache').IsAvailable
    }
    AfterAll {
        $link = Get-Item /run/criu.kdat -ErrorAction Ignore
        if (-not $had -and $link.LinkTarget) { Remove-Item -LiteralPath $link.LinkTarget, $link.FullName }
        Exit-CracTest
    }

    It 'changes nothing with -WhatIf' {
        $before = (Get-Item /run/criu.kdat -ErrorAction Ignore)?.LinkTarget
        Initialize-CracEnvironment -WhatIf | Should -BeNullOrEmpty
        (Get-Item /run/criu.kdat -ErrorAction Ignore)?.LinkTarget | Should -Be $before
    }

    It 'gives the row that Test-CracEnvironment gives, and can be run again' {
        1..2 | ForEach-Object {
            $row = Initialize-CracEnvironment
            $row.Name | Should -Be 'feature cache'
            $row.IsAvailable | Should -BeTrue
        }
        (Test-CracEnvironment | Where-Object Name -EQ 'feature cache').Detail | Should -Be $row.Detail
    }
}
